import { finished, pipeline } from 'node:stream/promises';
import { setTimeout } from 'node:timers/promises';
import express, { type Express, type NextFunction, type Request, type Response } from 'express';
import { asRefusal, Refusal } from '../../core/errors.ts';
import { newId } from '../../core/ids.ts';
import type { Area } from '../../core/operation.ts';
import type { Services } from '../../core/services.ts';
import { type Answered, type ExchangeParts, exchange, type Visit } from './exchange.ts';
import { buildModel, type SoapModel } from './model.ts';
import { answerSigner, strangerFault } from './reply.ts';
import { wsdlFiles } from './wsdl.ts';

export interface SoapParts<Identity> extends Pick<ExchangeParts<Identity>, 'gate' | 'run'> {
  readonly areas: readonly Area[];
  readonly services: Services;
}

/**
 * The extranet: `POST /soap/<version>/<area>` takes SOAP 1.2 messages, `GET` of the same address with `?wsdl`, and of
 * `common.xsd` beside it, gives the description. Addresses in it come from the settings, never from a request.
 */
export function soapDoor<I>({ gate, run, areas, services }: SoapParts<I>): Express {
  const model = buildModel(areas);
  const parts = { gate, run, services, signer: answerSigner(services.identity, services.ellipticIdentity) };
  const app = express().disable('x-powered-by').enable('case sensitive routing').enable('strict routing');
  for (const area of model.areas) {
    app.post(area.path, async (req, res) => {
      await send(req, res, await exchange(parts, area, visitOf(req, res, services)));
    });
  }
  const description = describer(model, services);
  app.use(async (req, res) => {
    const visit = visitOf(req, res, services);
    await send(req, res, await described(parts, visit, description));
  });
  app.use((error: unknown, req: Request, res: Response, _next: NextFunction) => {
    services.log.error({ err: error }, 'the SOAP door failed');
    const reply = strangerFault(new Refusal('internal'), res.getHeader('Bastion-Request-Id') as string);
    return res.headersSent ? void res.destroy() : send(req, res, { ...reply, headers: {} });
  });
  return app;
}

/** What is not a message: the description, for an allowed address with a registered certificate, or a refusal. */
async function described<I>(
  { gate }: Pick<SoapParts<I>, 'gate'>,
  visit: Visit,
  description: (target: string) => string | undefined,
): Promise<Answered> {
  const { method, url = '' } = visit.request;
  try {
    gate.admit(visit);
    await gate.admitCertificate(visit);
    const body = description(url);
    if (body === undefined) throw new Refusal('not_found');
    if (method !== 'GET' && method !== 'HEAD') throw new Refusal('method_not_allowed');
    return { status: 200, contentType: 'text/xml; charset=utf-8', body, headers: {} };
  } catch (error) {
    const refusal = asRefusal(error);
    gate.refused(visit, refusal);
    const headers: Record<string, string> = refusal.code === 'method_not_allowed' ? { Allow: 'GET, POST' } : {};
    return { ...strangerFault(refusal, visit.requestId), status: refusal.status, headers };
  }
}

/** The files by request target; written again when the configured address changes. */
function describer(model: SoapModel, { settings }: Services): (target: string) => string | undefined {
  let files = new Map<string, string>();
  let writtenFor: string | undefined;
  const names = new Map<string, string>();
  for (const area of model.areas) {
    names.set(`${area.path}?wsdl`, `${area.name}.wsdl`);
    names.set(`/soap/${area.version}/common.xsd`, 'common.xsd');
  }
  return target => {
    if (writtenFor !== settings.soapUrl) {
      writtenFor = settings.soapUrl;
      files = wsdlFiles(model, settings.soapUrl);
    }
    return files.get(names.get(target.replace(/\?wsdl$/i, '?wsdl')) ?? '');
  };
}

function visitOf(request: Request, response: Response, { clock }: Services): Visit {
  const requestId = newId('req');
  response.setHeader('Bastion-Request-Id', requestId);
  const proceed = (): void => {
    if (request.headers.expect !== undefined) response.writeContinue();
  };
  return { request, requestId, receivedAt: clock.now(), proceed };
}

async function send(request: Request, response: Response, answered: Answered): Promise<void> {
  const { status, contentType, body, headers } = answered;
  response.status(status).set({
    ...headers,
    'Content-Type': contentType,
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
  });
  if (typeof body !== 'string') return pipeline(body, response).catch(() => void response.destroy());
  response.set('Content-Length', String(Buffer.byteLength(body)));
  if (request.complete) response.end(body);
  else await sendEarly(request, response, body);
}

/**
 * An answer to a request that was not read to its end. Closing at once would reset the connection, and the sender, who
 * is still writing, would never see why: it gets a second to finish.
 */
async function sendEarly(request: Request, response: Response, body: string): Promise<void> {
  response.set('Connection', 'close').write(body);
  const patience = new AbortController();
  // The reader that gave up still waits for more, which would keep the rest from flowing off.
  request.removeAllListeners('readable').resume();
  await Promise.race([finished(request).catch(() => {}), setTimeout(1000, undefined, { signal: patience.signal })]);
  patience.abort();
  response.end();
}
