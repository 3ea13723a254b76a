import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import express, { type RequestHandler, type Router } from 'express';
import { Refusal } from '../../core/errors.ts';
import type { Area } from '../../core/operation.ts';
import type { Services } from '../../core/services.ts';
import { openApi } from './openapi.ts';

/** Swagger UI writes style attributes and inline images; scripts come from its own files only. */
const pagePolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const assets = ['swagger-ui.css', 'swagger-ui-bundle.js', 'favicon-32x32.png'];

const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Bastion API reference</title>
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="stylesheet" href="/docs/page.css">
</head>
<body>
<main id="reference"></main>
<noscript><p>This page needs JavaScript. All that it shows is in <a href="/openapi.json">/openapi.json</a>.</p></noscript>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
`;

/**
 * Nothing is tried from here, everything is JSON and nothing has links, so that their controls would choose nothing. What all
 * answers share, their headers and the form of a refusal, stands in the introduction; beneath each operation it would bury
 * what is its own.
 */
const style = `body { margin: 0; }
.swagger-ui .auth-wrapper, .swagger-ui .authorization__btn, .swagger-ui .parameters [disabled],
.swagger-ui .response-controls, .swagger-ui .response-col_links, .swagger-ui .body-param-options,
.swagger-ui .opblock-section-request-body .content-type-wrapper,
.swagger-ui .response:not([data-code^="2"]) .model-example,
.swagger-ui .response:not([data-code="202"]) .headers-wrapper { display: none; }
.swagger-ui .info pre { white-space: pre-wrap; }
.swagger-ui .response .renderedMarkdown :is(p, ul) { margin: 0; padding: 0; list-style: none; }
@media (max-width: 700px) { .swagger-ui .opblock .opblock-summary-operation-id { display: none; } }
`;

/** Requests need a client certificate and a signature, which a page cannot make: nothing to try from here. */
const start = `SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#reference',
  deepLinking: true,
  displayOperationId: true,
  defaultModelsExpandDepth: 0,
  supportedSubmitMethods: [],
  validatorUrl: null,
});
`;

/** `/openapi.json` and `/docs`: for every allowed address, without a key, from this host alone. */
export function reference(areas: readonly Area[], { settings }: Services): Router {
  const router = express.Router({ caseSensitive: true, strict: true });
  const folder = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));
  let document: { url: string; text: string } | undefined;
  const documentText = (): string => {
    const url = settings.publicUrl;
    if (document?.url !== url) document = { url, text: JSON.stringify(openApi(areas, url)) };
    return document.text;
  };
  const serve = (path: string, answer: RequestHandler) => {
    router.route(path).get(answer).all(refuseMethod);
  };
  serve('/openapi.json', (_request, response) => {
    response.type('application/json').send(documentText());
  });
  serve('/docs', (_request, response) => {
    response.set('Content-Security-Policy', pagePolicy).type('html').send(page);
  });
  serve('/docs/page.css', (_request, response) => {
    response.type('css').send(style);
  });
  serve('/docs/start.js', (_request, response) => {
    response.type('text/javascript').send(start);
  });
  for (const asset of assets) {
    serve(`/docs/${asset}`, (_request, response, next) => {
      response.set('Cache-Control', 'private, max-age=3600');
      response.sendFile(asset, { root: folder, cacheControl: false }, error => error && next(error));
    });
  }
  return router;
}

const refuseMethod: RequestHandler = (_request, response) => {
  response.setHeader('Allow', 'GET, HEAD');
  throw new Refusal('method_not_allowed');
};
