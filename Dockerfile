# One image for every role: `serve`, `projector`, `migrate`. It runs as an ordinary user and writes only to its data directory and /tmp.
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
WORKDIR /app
COPY pyproject.toml ./
COPY requirements requirements
RUN python -I requirements/install.py base && rm -rf .venv/bin/uv .venv/bin/uvx .stamps
COPY domain domain
COPY application application
COPY projections projections
COPY infrastructure infrastructure
COPY web web
RUN python -m compileall -q domain application projections infrastructure web

FROM python:${PYTHON}-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/grantbook --create-home --shell /usr/sbin/nologin grantbook \
    && chmod 700 /var/lib/grantbook
WORKDIR /app
COPY --from=build /app /app
COPY LICENSE LICENSE
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    GRANTBOOK_DATA_DIR=/var/lib/grantbook \
    GRANTBOOK_HOST=0.0.0.0 \
    GRANTBOOK_LOG=json
USER grantbook
VOLUME /var/lib/grantbook
EXPOSE 8000 8001
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ.get('GRANTBOOK_PORT', '8000') + '/healthz', timeout=4)"]
ENTRYPOINT ["grantbook"]
CMD ["serve"]
