# Two images from one file: `dtm` (the pinned DTM server) and `amends` (every role of the one command).
#   docker build --target dtm -t amends-dtm:v1.18.0 .
#   docker build --target amends -t amends:0.1.0 .

FROM golang:1.24-bookworm AS dtm-build
WORKDIR /build
# The module pins the server by checksum; nothing else of the project is needed.
COPY crates/dtm/server/ ./
RUN GOFLAGS=-mod=mod go build -ldflags "-X main.Version=v1.18.0" -o /out/dtm github.com/dtm-labs/dtm

FROM rust:1.95-slim-bookworm AS amends-build
WORKDIR /build
COPY . .
RUN cargo build --release --locked --bin amends && install -D target/release/amends /out/amends

FROM debian:bookworm-slim AS slim
RUN groupadd --system --gid 10001 amends \
    && useradd --system --uid 10001 --gid amends --no-create-home --shell /usr/sbin/nologin amends \
    && install -d -o amends -g amends -m 0700 /var/lib/amends /run/amends
USER amends
WORKDIR /var/lib/amends

FROM slim AS dtm
COPY --from=dtm-build /out/dtm /usr/local/bin/dtm
ENTRYPOINT ["dtm"]

FROM slim AS amends
COPY --from=amends-build /out/amends /usr/local/bin/amends
# A volume that is mounted here for the first time takes over this folder's owner and mode.
VOLUME /var/lib/amends
ENTRYPOINT ["amends"]
