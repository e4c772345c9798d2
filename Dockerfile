# Two images from one file: `service` (the default, last) and `registry` (MLflow with sign-in).
#
# Packages come from the hashed locks, as wheels only, so nothing is compiled against unknown code and
# no compiler is needed. Pin the base by digest in your own builds: --build-arg PYTHON=python@sha256:…
ARG PYTHON=python:3.13-slim


# -- what is installed -----------------------------------------------------------------------------
FROM ${PYTHON} AS packages
WORKDIR /build
COPY requirements-serve.lock ./
RUN python -m venv --without-pip /opt/lead \
    && pip --disable-pip-version-check --no-cache-dir --python /opt/lead/bin/python install \
        --no-deps --require-hashes --only-binary=:all: --requirement requirements-serve.lock
COPY features /opt/lead/app/features
COPY serving /opt/lead/app/serving
COPY LICENSE /opt/lead/app/LICENSE
# The file system is read-only when it runs, so what Python would write beside its files is made now.
RUN printf '%s\n' '#!/opt/lead/bin/python' 'from serving.cli import main' 'main()' \
        > /opt/lead/bin/lead-serve \
    && chmod 0755 /opt/lead/bin/lead-serve \
    && { /opt/lead/bin/python -m compileall -qq -j 0 /opt/lead/lib /opt/lead/app || true; } \
    && PYTHONPATH=/opt/lead/app /opt/lead/bin/lead-serve --help > /dev/null


FROM ${PYTHON} AS registry-packages
WORKDIR /build
COPY requirements-registry.lock ./
RUN python -m venv --without-pip /opt/mlflow \
    && pip --disable-pip-version-check --no-cache-dir --python /opt/mlflow/bin/python install \
        --no-deps --require-hashes --only-binary=:all: --requirement requirements-registry.lock \
    && { /opt/mlflow/bin/python -m compileall -qq -j 0 /opt/mlflow/lib || true; } \
    && /opt/mlflow/bin/mlflow --version


# -- what both stand on: no package installer, an account that may do nothing else -------------------
FROM ${PYTHON} AS base
RUN python -m pip uninstall --yes --quiet pip \
    && rm -rf /usr/local/lib/python3*/ensurepip \
    && groupadd --gid 10001 lead \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin lead
ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp


# -- MLflow ------------------------------------------------------------------------------------------
FROM base AS registry
COPY --from=registry-packages /opt/mlflow /opt/mlflow
RUN install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/mlflow
ENV PATH=/opt/mlflow/bin:$PATH \
    MLFLOW_DISABLE_TELEMETRY=true
VOLUME /var/lib/mlflow
WORKDIR /var/lib/mlflow
USER 10001:10001
EXPOSE 5000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=90s --retries=4 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:5000/health', timeout=4)"]
ENTRYPOINT ["mlflow"]
CMD ["server", "--host", "0.0.0.0", "--port", "5000", "--app-name", "basic-auth", \
    "--backend-store-uri", "sqlite:////var/lib/mlflow/mlflow.db", \
    "--artifacts-destination", "/var/lib/mlflow/artifacts", \
    "--allowed-hosts", "mlflow,mlflow:5000,localhost,localhost:5000,127.0.0.1,127.0.0.1:5000"]


# -- the service -------------------------------------------------------------------------------------
FROM base AS service
COPY --from=packages /opt/lead /opt/lead
RUN install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/lead
ENV PATH=/opt/lead/bin:$PATH \
    PYTHONPATH=/opt/lead/app \
    LEAD_HOME=/var/lib/lead \
    LEAD_HOST=0.0.0.0 \
    LEAD_PORT=8000
VOLUME /var/lib/lead
WORKDIR /var/lib/lead
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=4s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ[\"LEAD_PORT\"]}/livez', timeout=3)"]
ENTRYPOINT ["lead-serve"]
CMD ["serve"]
