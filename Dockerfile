# syntax=docker/dockerfile:1
# The published package in a small image. The container needs the host's network: an anycast address belongs to a
# machine (docker run --network host -v /etc/anyvia:/etc/anyvia:ro anyvia).

FROM node:24-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm install --no-save --no-audit --no-fund
COPY . .
RUN npm pack --silent && mv anyvia-*.tgz /anyvia.tgz

FROM node:24-bookworm-slim
COPY --from=build /anyvia.tgz /tmp/anyvia.tgz
# The image brings Node 24 itself: the packages that hold one are optional.
RUN npm install --global --omit=optional --no-audit --no-fund /tmp/anyvia.tgz \
  && rm -rf /tmp/anyvia.tgz /root/.npm \
  && useradd --system --home-dir /var/lib/anyvia --create-home anyvia \
  && install -d -o anyvia -g anyvia /run/anyvia
USER anyvia
ENV NODE_ENV=production
# The daemon drains on SIGTERM; give it time (docker stop --time 150).
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s CMD ["anyvia", "stats", "core:timestamp"]
ENTRYPOINT ["anyvia"]
CMD ["start", "-f", "/etc/anyvia/anyvia.cfg"]
