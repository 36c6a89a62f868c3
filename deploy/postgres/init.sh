#!/bin/sh
# Once, when the database is made, as its superuser: the plain role, its database, and the extension that it may not create.
set -eu
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres \
    --set password="$(cat "${OPENVPR_PASSWORD_FILE:-/run/secrets/database_password}")" <<'SQL'
CREATE ROLE openvpr LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE PASSWORD :'password';
CREATE DATABASE openvpr OWNER openvpr ENCODING 'UTF8' TEMPLATE template0;
-- A failed statement would put embeddings and encrypted secrets in the server's log.
ALTER ROLE openvpr SET log_min_error_statement = 'panic';
ALTER ROLE openvpr SET log_error_verbosity = 'terse';
REVOKE ALL ON DATABASE openvpr FROM PUBLIC;
\connect openvpr
CREATE EXTENSION vector;
SQL
