#!/bin/sh
# Runs once, when the database is made: the owner of the tables, and the role that serves requests and owns nothing.
set -eu

psql --no-psqlrc --quiet -v ON_ERROR_STOP=1 -v owner_password="$GRANTBOOK_OWNER_PASSWORD" -v web_password="$GRANTBOOK_WEB_PASSWORD" \
  --username "$POSTGRES_USER" --dbname postgres <<'SQL'
CREATE ROLE grantbook_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE grantbook_web LOGIN PASSWORD :'web_password';
CREATE DATABASE grantbook OWNER grantbook_owner TEMPLATE template0;
REVOKE ALL ON DATABASE grantbook FROM PUBLIC;
GRANT CONNECT ON DATABASE grantbook TO grantbook_web;
-- To name whatever holds up the order of events, whoever runs it.
GRANT pg_read_all_stats TO grantbook_web;
SQL
