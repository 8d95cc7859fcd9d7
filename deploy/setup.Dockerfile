# Brings topics and tables in line with the code, then ends. Build from the repository's root.
FROM python:3.13-slim
WORKDIR /src
COPY requirements-services.txt ./
RUN pip install --no-cache-dir --require-hashes -r requirements-services.txt
COPY libs/common libs/common
RUN pip install --no-cache-dir --no-deps --no-build-isolation ./libs/common
USER 65532:65532
CMD ["python", "-m", "posta.setup"]
