import { request } from 'node:https';
import { connect } from 'node:tls';
import { expect } from 'chai';
import { operations } from '../../../src/app.ts';
import { ownScope } from '../../../src/core/scopes.ts';
import { AuditEvent } from '../../../src/db/audit.ts';
import { type Kit, startKit } from '../../kit/app.ts';
import type { RestAnswer } from '../../kit/rest-client.ts';

describe('the REST door', () => {
  let kit: Kit;
  const expectRefusal = (answer: RestAnswer, status: number, error: string) =>
    expect([answer.status, answer.body.error], answer.body.message).to.deep.equal([status, error]);

  before(async () => {
    kit = await startKit();
  });
  after(() => kit.close());

  it('answers JSON over HTTPS, with the request_id in body and headers [BAS-001] [BAS-003]', async () => {
    const { status, headers, body } = await kit.rest.call('GET', '/v3/scopes');
    expect(status).to.equal(200);
    expect(headers['content-type']).to.equal('application/json; charset=utf-8');
    expect(body.request_id).to.match(/^req_[0-9a-z]{26}$/);
    expect([headers['bastion-request-id'], headers['x-request-id']]).to.deep.equal([body.request_id, body.request_id]);
  });

  it('may not be kept, framed or sniffed', async () => {
    for (const path of ['/v3/scopes', '/nowhere']) {
      const { headers } = await kit.rest.call('GET', path);
      expect(headers['cache-control']).to.equal('no-store');
      expect(headers['x-content-type-options']).to.equal('nosniff');
      expect(headers['content-security-policy']).to.include("frame-ancestors 'none'");
      expect(headers['strict-transport-security']).to.match(/^max-age=\d+$/);
      expect(headers).to.not.have.any.keys('x-powered-by', 'etag', 'server');
    }
  });

  it('shows the rate limit on every answer to a proven caller [BAS-026]', async () => {
    for (const path of ['/v3/scopes', '/nowhere', '/v3/organizations?limit=0']) {
      const { headers } = await kit.rest.call('GET', path);
      expect(headers['x-ratelimit-limit'], path).to.equal('100000');
      expect(headers['x-ratelimit-remaining'], path).to.match(/^\d+$/);
      expect(Number(headers['x-ratelimit-reset']), path).to.be.within(1, 60);
    }
    const { headers } = await kit.rest.call('GET', '/v3/scopes', undefined, { canonical: text => `${text}!` });
    expect(headers).to.not.have.property('x-ratelimit-limit');
  });

  it('refuses in one shape: error, message, request_id, errors [BAS-024]', async () => {
    const { status, body } = await kit.rest.call('GET', '/v3/organizations?limit=many');
    expect(status).to.equal(422);
    expect(body).to.have.all.keys('error', 'message', 'request_id', 'errors');
    expect(body.errors[0]).to.have.all.keys('field', 'code', 'message');
    expect(body.errors[0].field).to.equal('limit');
  });

  it('answers 404 for a path that there is not, and for one that is nearly there', async () => {
    for (const path of ['/', '/v3', '/v3/scopes/', '/V3/scopes', '/v3/Scopes', '/v4/scopes', '/v3/organizations/']) {
      expectRefusal(await kit.rest.call('GET', path), 404, 'not_found');
    }
  });

  it('tells a stranger nothing of which paths there are', async () => {
    const strange = { canonical: (text: string) => `${text}!` };
    for (const path of ['/v3/scopes', '/nowhere']) {
      expectRefusal(await kit.rest.call('GET', path, undefined, strange), 401, 'signature_invalid');
    }
  });

  it('answers 405 with Allow for a method that the path does not take', async () => {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
      const answer = await kit.rest.call(method, '/v3/scopes');
      expectRefusal(answer, 405, 'method_not_allowed');
      expect(answer.headers.allow).to.equal('GET');
    }
    const head = await kit.rest.call('HEAD', '/v3/scopes');
    expect([head.status, head.headers.allow, head.body]).to.deep.equal([405, 'GET', '']);
  });

  describe('with a body', () => {
    const post = (body: unknown, overrides = {}) => kit.rest.call('POST', '/v3/roles', body, overrides);
    const organizations = (body: unknown, overrides = {}) =>
      kit.rest.call('POST', '/v3/organizations', body, overrides);

    it('answers 400 for bad JSON and for a missing field, which it names [BAS-028]', async () => {
      expectRefusal(await organizations('{"name":'), 400, 'malformed');
      const missing = await organizations({});
      expectRefusal(missing, 400, 'malformed');
      expect(missing.body.errors).to.deep.equal([{ field: 'name', code: 'required', message: 'is required' }]);
      expectRefusal(await organizations(undefined), 400, 'malformed');
    });

    it('answers 422 for a value that breaks a rule and for an unknown field [BAS-032]', async () => {
      const { status, body } = await organizations({ name: 'x'.repeat(300), nmae: 'x' });
      expect([status, body.error]).to.deep.equal([422, 'validation_failed']);
      expect(body.errors.map((error: { field: string }) => error.field)).to.have.members(['name', 'nmae']);
    });

    it('answers 400 for __proto__ and NUL, wherever they stand', async () => {
      expectRefusal(await organizations('{"name":"x","settings":{"__proto__":{"admin":true}}}'), 400, 'malformed');
      expectRefusal(await organizations('{"__proto__":{"name":"x"}}'), 400, 'malformed');
      expectRefusal(await organizations('{"name":"a\\u0000b"}'), 400, 'malformed');
      expectRefusal(await organizations(Buffer.from('7b226e616d65223a22ff227d', 'hex')), 400, 'malformed');
    });

    it('answers 415 for another content type and for an encoded body', async () => {
      expectRefusal(await organizations('{"name":"x"}', { contentType: 'text/plain' }), 415, 'unsupported_media_type');
      const encoded = { headers: { 'Content-Encoding': 'gzip' } };
      expectRefusal(await organizations('{"name":"x"}', encoded), 415, 'unsupported_media_type');
    });

    it('answers 413 for more than 1 MiB, announced or not, and stays in service', async () => {
      const large = Buffer.alloc(1024 * 1024 + 1, ' ');
      expectRefusal(await organizations(large), 413, 'too_large');
      const headers = { 'Content-Length': undefined, 'Transfer-Encoding': 'chunked' };
      expectRefusal(await organizations(large, { headers }), 413, 'too_large');
      expectRefusal(await organizations(large.subarray(1)), 400, 'malformed');
    });

    it('takes up to 36 MiB where there can be attachments', async () => {
      const send = (octets: number) => kit.rest.call('POST', '/v3/secure-email/send', Buffer.alloc(octets, ' '));
      expectRefusal(await send(36 * 1024 * 1024), 400, 'malformed');
      expectRefusal(await send(36 * 1024 * 1024 + 1), 413, 'too_large');
    });

    it('answers 400 for a GET that has one', async () => {
      expectRefusal(await kit.rest.call('GET', '/v3/scopes', { a: 1 }), 400, 'malformed');
    });

    it('is asked for only when the headers have passed', async () => {
      expect(await continued(true)).to.deep.equal({ asked: true, status: 400 });
      expect(await continued(false)).to.deep.equal({ asked: false, status: 401 });
    });

    it('that ends early costs nothing but the connection', async () => {
      const { partner } = kit.set;
      const { port } = new URL(kit.app.rest.url);
      const socket = connect({
        host: '127.0.0.1',
        port: Number(port),
        ca: kit.set.ca,
        cert: partner.certificate,
        key: partner.key,
        servername: 'localhost',
      });
      await new Promise(resolve => socket.once('secureConnect', resolve));
      const closed = new Promise(resolve => socket.once('close', resolve));
      socket.on('error', () => {});
      socket.write(`POST /v3/organizations HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"name"`);
      socket.destroy();
      await closed;
      expect((await kit.rest.call('GET', '/v3/scopes')).status).to.equal(200);
    });

    /** Sends the headers of a signed request whose body is `{`, and says whether the body was asked for. */
    async function continued(isSigned: boolean): Promise<{ asked: boolean; status: number }> {
      const { headers } = await signedHeaders('POST', '/v3/organizations', '{');
      if (!isSigned) headers['Bastion-Timestamp'] = '1700000000';
      const { partner } = kit.set;
      return new Promise((resolve, reject) => {
        let asked = false;
        const outgoing = request(`${kit.app.rest.url}/v3/organizations`, {
          method: 'POST',
          headers: { ...headers, Expect: '100-continue', 'Content-Length': '1', 'Content-Type': 'application/json' },
          ca: kit.set.ca,
          cert: partner.certificate,
          key: partner.key,
          agent: false,
        });
        outgoing.on('continue', () => {
          asked = true;
          outgoing.end('{');
        });
        outgoing.on('response', response => {
          response.resume();
          outgoing.destroy();
          resolve({ asked, status: response.statusCode! });
        });
        outgoing.on('error', reject);
        outgoing.flushHeaders();
      });
    }

    async function signedHeaders(method: string, target: string, body: string) {
      const { signRequest } = await import('../../../src/core/request-signature.ts');
      const { partner } = kit.set;
      const host = new URL(kit.app.rest.url).host;
      const { apiKey } = kit.tenant;
      return {
        headers: signRequest({
          method,
          target,
          host,
          body,
          apiKey,
          privateKey: partner.privateKey,
          thumbprint: partner.thumbprint,
        }),
      };
    }

    it('is not needed by an operation without fields', async () => {
      expectRefusal(await post(undefined), 404, 'not_found');
    });
  });

  for (const target of [
    '//v3/scopes',
    '/v3/./scopes',
    '/v3/x/../scopes',
    '/v3%2fscopes',
    '/v3/%2e%2e/scopes',
    '/v3/scopes%00',
    '/v3/scopes%zz',
    '/v3/scopes?a=%ff',
    '/v3\\scopes',
  ]) {
    it(`answers 400 for the target ${target}`, async () => {
      expectRefusal(await kit.rest.call('GET', target), 400, 'malformed');
    });
  }

  it('answers 400 for an absolute target', async () => {
    expectRefusal(await kit.rest.call('GET', `${kit.app.rest.url}/v3/scopes`), 400, 'malformed');
  });

  it('answers 202 with the place to look for a request that waits for approval', async () => {
    kit.responder.decide = () => 'ignore';
    const body = { name: 'held', scopes: ['org:read'] };
    const answer = await kit.rest.call('POST', '/v3/api-keys', body, { prefer: 'respond-async' });
    expect(answer.status).to.equal(202);
    const id = answer.body.authorization_request_id;
    expect(answer.body).to.have.all.keys('status', 'authorization_request_id', 'expires_at', 'request_id');
    expect(answer.headers.location).to.equal(`/v3/authorization-requests/${id}`);
    expect((await kit.rest.call('GET', answer.headers.location as string)).status).to.equal(200);
  });

  it('never meets a stranger with a row in the database', async () => {
    const count = () => kit.app.db.fork('system').getConnection().execute('select count(*) as n from audit_events');
    const before = await count();
    await kit.rest.call('GET', '/v3/scopes', undefined, { tls: null });
    await kit.rest.call('GET', '/v3/scopes', undefined, { headers: { Authorization: 'Bearer sk_live_guess' } });
    await kit.rest.call('GET', '/v3/scopes', undefined, { localAddress: '127.0.0.9' });
    expect(await count()).to.deep.equal(before);
  });

  it('looks at the scope before it reads what was sent, and leaves a row of what it cannot read', async () => {
    const powerless = await kit.organization('Acme Unread', { parent: kit.tenant, scopes: [] });
    expectRefusal(await powerless.rest.call('POST', '/v3/organizations', '{'), 403, 'scope_missing');
    expectRefusal(await powerless.rest.call('GET', '/v3/organizations?surplus=1'), 403, 'scope_missing');
    const reader = await kit.organization('Acme Read', { parent: kit.tenant });
    expectRefusal(await reader.rest.call('POST', '/v3/organizations', '{'), 400, 'malformed');
    expectRefusal(await reader.rest.call('GET', '/v3/organizations?surplus=1'), 422, 'validation_failed');
    const where = { organizationId: reader.id, outcome: 'refused' };
    const rows = await kit.app.db.fork('system').find(AuditEvent, where, { orderBy: { id: 'asc' } });
    expect(rows.map(({ operation, code }) => [operation, code])).to.deep.equal([
      ['CreateOrganization', 'malformed'],
      ['ListOrganizations', 'validation_failed'],
    ]);
  });

  it('counts strangers and callers apart', async () => {
    await kit.rest.call('GET', '/v3/scopes', undefined, { tls: null });
    await kit.rest.call('GET', '/v3/scopes');
    const metrics = await kit.app.services.metrics.registry.metrics();
    expect(metrics).to.match(/bastion_strangers_refused_total\{door="rest",code="certificate_required"\} [1-9]/);
    expect(metrics).to.match(/bastion_requests_total\{operation="ListScopes",door="rest",outcome="done"\} [1-9]/);
  });

  it('serves every operation that there is, under its scope [BAS-030]', async () => {
    const powerless = await kit.organization('Acme Nothing', { parent: kit.tenant, scopes: [] });
    const open = operations.filter(op => op.scope !== ownScope);
    expect(open).to.not.be.empty;
    for (const op of open) {
      expectRefusal(await powerless.rest.call(op.method, op.path.replace(/\{\w+\}/g, 'x')), 403, 'scope_missing');
    }
  });

  describe('the reference', () => {
    it('is there for an allowed address without a certificate, and only there', async () => {
      const bare = { tls: null, headers: { Authorization: undefined } };
      for (const path of [
        '/openapi.json',
        '/docs',
        '/docs/page.css',
        '/docs/start.js',
        '/docs/swagger-ui.css',
        '/docs/swagger-ui-bundle.js',
      ]) {
        expect((await kit.rest.call('GET', path, undefined, bare)).status, path).to.equal(200);
        expectRefusal(
          await kit.rest.call('GET', path, undefined, { localAddress: '127.0.0.9' }),
          403,
          'address_not_allowed',
        );
      }
    });

    it('names the address it is served at, and every operation', async () => {
      const { body } = await kit.rest.call('GET', '/openapi.json');
      expect(body.servers).to.deep.equal([{ url: kit.app.rest.url }]);
      const described = Object.values(body.paths as Record<string, object>).flatMap(path => Object.values(path));
      expect(described.map(each => each.operationId).toSorted()).to.deep.equal(
        operations.map(op => op.soap).toSorted(),
      );
    });

    it('loads nothing from elsewhere and runs no script of its own page', async () => {
      const { body, headers } = await kit.rest.call('GET', '/docs');
      expect(body).to.not.match(/https?:\/\//);
      expect(body).to.not.match(/<script>|onload=|<style/);
      const policy = String(headers['content-security-policy']);
      expect(policy).to.include("script-src 'self';").and.not.include('unsafe-eval');
    });

    it('takes GET only', async () => {
      expectRefusal(await kit.rest.call('POST', '/openapi.json'), 405, 'method_not_allowed');
      expectRefusal(await kit.rest.call('DELETE', '/docs/start.js'), 405, 'method_not_allowed');
    });

    it('gives no file beside its own', async () => {
      for (const path of ['/docs/package.json', '/docs/index.html', '/docs/swagger-initializer.js']) {
        expect((await kit.rest.call('GET', path)).status, path).to.equal(404);
      }
    });
  });
});

describe('a REST door with a limit of five requests a minute', () => {
  let kit: Kit;
  before(async () => {
    kit = await startKit({ config: { rateLimit: 5 } });
  });
  after(() => kit.close());

  it('answers 429 with Retry-After beyond it, to that key only [BAS-027] [BAS-033]', async () => {
    const answers: RestAnswer[] = [];
    for (let sent = 0; sent < 6; sent++) answers.push(await kit.rest.call('GET', '/v3/scopes'));
    expect(answers.map(answer => answer.status)).to.deep.equal([200, 200, 200, 200, 200, 429]);
    expect(answers.map(answer => answer.headers['x-ratelimit-remaining'])).to.deep.equal([
      '4',
      '3',
      '2',
      '1',
      '0',
      '0',
    ]);
    const { headers, body } = answers[5]!;
    expect(body.error).to.equal('rate_limited');
    expect(Number(headers['retry-after'])).to.be.within(1, 60);
    const further = await kit.organization('Acme South', { parent: kit.tenant });
    expect((await further.rest.call('GET', '/v3/scopes')).status).to.equal(200);
  });

  it('does not count what a stranger sends in the name of a key', async () => {
    const further = await kit.organization('Acme North', { parent: kit.tenant });
    const forged = { canonical: (text: string) => `${text}!` };
    for (let sent = 0; sent < 6; sent++) await further.rest.call('GET', '/v3/scopes', undefined, forged);
    expect((await further.rest.call('GET', '/v3/scopes')).headers['x-ratelimit-remaining']).to.equal('4');
  });
});
