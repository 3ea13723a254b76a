# One image for every node; TypeScript runs directly, so there is no build step.
FROM node:24-bookworm-slim
WORKDIR /bastion
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --omit=optional --ignore-scripts && npm cache clean --force
COPY bin ./bin
COPY src ./src
COPY wsdl ./wsdl
COPY tsconfig.json ./
ENV BASTION_ENV=production BASTION_DATA_DIR=/var/lib/bastion BASTION_HOST=0.0.0.0
RUN mkdir -p /var/lib/bastion && chown node:node /var/lib/bastion
USER node
EXPOSE 8443 9443
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:9090/readyz').then(r => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "--max-semi-space-size=8", "bin/bastion.mjs", "serve"]
