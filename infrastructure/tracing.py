"""OpenTelemetry traces, off and free of cost unless OTEL_EXPORTER_OTLP_ENDPOINT is set: only then is anything wrapped, or even imported."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

from infrastructure.logs import get_logger
from infrastructure.outbound import Outbound
from infrastructure.settings import Settings
from infrastructure.store.batching import GatheredAppends
from infrastructure.store.connection import Kept
from infrastructure.store.pipeline import Pipeline
from infrastructure.store.prepared import Statement

_PACKAGE = "opentelemetry.exporter.otlp.proto.http"
_PARTS = {f"application.{name}" for name in ("addresses", "allowances", "issuing", "known_access", "lookups", "resources")}
"""What use cases are made of; they are too small to be seen."""
_OURS = ("application.", "infrastructure.", "web.")
Attributes = dict[str, str | int]
log = get_logger("tracing")


class Tracing:
    """Spans for requests, use cases, database statements and calls to others. No attribute holds an id, an address, a name or a secret."""

    def __init__(self, process: str, endpoint: str, exporter: Any = None) -> None:
        """`exporter`: where spans go instead of to the endpoint, at once (tests)."""
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

        self._provider = TracerProvider(resource=Resource.create({"service.name": f"grantbook-{process}"}))
        self._provider.add_span_processor(SimpleSpanProcessor(exporter) if exporter else BatchSpanProcessor(_exporter(endpoint)))
        self._tracer = self._provider.get_tracer("grantbook")
        self._undo: list[Callable[[], None]] = []

    def instrument(self) -> None:
        """Wrap every use case, the statements of the decision path and what asks identity providers."""
        for function in _use_cases():
            self._replace_everywhere(function, self._named(function, _name(function)))
        self.method(Kept, "run", _statement, kind="client")
        self.method(Pipeline, "run", lambda _, __, statement, ___: _statement(None, statement), kind="client")
        self.method(GatheredAppends, "store", lambda *_: ("SQL shared", {}), kind="client")
        for name in ("get", "post"):
            self.replace(Outbound, name, functools.partial(self._named, name=f"{name.upper()} provider", kind="client"))

    def method(self, owner: type, name: str, described: Callable[..., tuple[str, Attributes]], *, kind: str = "internal") -> None:
        """Wrap a method; `described` gets the call's arguments and gives the span's name and attributes."""
        self.replace(owner, name, lambda before: self.traced(before, described, kind=kind))

    def replace(self, owner: type, name: str, changed: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        """Put something else in a method's place, until the end."""
        before = getattr(owner, name)
        setattr(owner, name, changed(before))
        self._undo.append(functools.partial(setattr, owner, name, before))

    def traced(self, function: Callable[..., Any], described: Callable[..., tuple[str, Attributes]], *, kind: str = "internal") -> Callable[..., Any]:
        """The same function within a span."""

        @functools.wraps(function)
        def within(*arguments: Any, **named: Any) -> Any:
            name, attributes = described(*arguments, **named)
            with self.span(name, attributes, kind=kind):
                return function(*arguments, **named)

        return within

    @contextlib.contextmanager
    def span(
        self, name: str, attributes: Attributes | None = None, *, kind: str = "internal", parent: Mapping[str, str] | None = None
    ) -> Iterator[Any]:
        """A span; `parent` may hold a `traceparent`. Of an exception only the class is told: its text may name a person.

        What is left by something that is no error, as by a task that leaves its request to a thread, is no span: it begins anew elsewhere.
        """
        from opentelemetry.trace import SpanKind, Status, StatusCode

        context = _propagator().extract(parent) if parent else None
        opened = self._tracer.start_as_current_span(
            name, context, SpanKind[kind.upper()], attributes, record_exception=False, set_status_on_exception=False, end_on_exit=False
        )
        with opened as span:
            try:
                yield span
            except Exception as error:
                span.set_attribute("error.type", type(error).__name__)
                if not getattr(error, "message", None) and not hasattr(error, "retry_after"):
                    span.set_status(Status(StatusCode.ERROR))
                span.end()
                raise
            span.end()

    @staticmethod
    def headers() -> dict[str, str]:
        """`traceparent` of the span that we are in, for those whom we call."""
        carrier: dict[str, str] = {}
        _propagator().inject(carrier)
        return carrier

    def end(self) -> None:
        """Unwrap everything, and send what is left."""
        while self._undo:
            self._undo.pop()()
        self._provider.shutdown()

    def _named(self, function: Callable[..., Any], name: str, kind: str = "internal") -> Callable[..., Any]:
        return self.traced(function, lambda *_, **__: (name, {}), kind=kind)

    def _replace_everywhere(self, function: Callable[..., Any], wrapped: Callable[..., Any]) -> None:
        """Modules import use cases by name, so each of their names is replaced."""
        for module in [m for name, m in sys.modules.items() if name.startswith(_OURS)]:
            for name in [n for n, value in vars(module).items() if value is function]:
                setattr(module, name, wrapped)
                self._undo.append(functools.partial(setattr, module, name, function))


_current: list[Tracing] = []


def current() -> Tracing | None:
    """This process's own, if it traces."""
    return _current[0] if _current else None


def start_tracing(settings: Settings, process: str, exporter: Any = None) -> Tracing | None:
    """Trace this process from now on, if that is configured and the extra `grantbook[otel]` is installed."""
    if settings.otlp_endpoint is None or _current:
        return current()
    if not _installed():
        log.warning("no traces: OTEL_EXPORTER_OTLP_ENDPOINT is set, but the packages of grantbook[otel] are not installed")
        return None
    tracing = Tracing(process, settings.otlp_endpoint, exporter)
    tracing.instrument()
    _current.append(tracing)
    return tracing


def stop_tracing() -> None:
    """End it, if there is any."""
    while _current:
        _current.pop().end()


def _statement(_: object, statement: Statement, *__: Any) -> tuple[str, Attributes]:
    return f"SQL {statement.name.decode()}", {"db.system.name": "postgresql"}


def _installed() -> bool:
    try:
        return importlib.util.find_spec(_PACKAGE) is not None
    except ModuleNotFoundError:
        return False


def _exporter(endpoint: str) -> Any:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")


@functools.cache
def _propagator() -> Any:
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator()


def _use_cases() -> Iterator[Callable[..., Any]]:
    """Every public function of application/ whose first argument is `services`."""
    for name, module in sorted(sys.modules.items()):
        if name.startswith("application.") and name not in _PARTS and isinstance(module, ModuleType):
            for value in list(vars(module).values()):
                if inspect.isfunction(value) and value.__module__ == name and not value.__name__.startswith("_") and _takes_services(value):
                    yield value


def _takes_services(function: Callable[..., Any]) -> bool:
    return next(iter(inspect.signature(function).parameters), None) == "services"


def _name(function: Callable[..., Any]) -> str:
    return f"{function.__module__.removeprefix('application.')}.{function.__name__}"
