import { CompiledQuery } from 'kysely';
import type { ApiKey, CertificatePolicy, CertificateUse } from '../areas/access/entities.ts';
import type { Door } from '../core/caller.ts';
import type { Database } from '../db/orm.ts';
import { presentable } from '../db/transaction.ts';

/**
 * What every request asks of the database, in two rounds of small indexed queries. Nothing is cached, so that a revocation
 * on any node counts for the next request on every node. Plain SQL, since this is the hot path; column names are those of
 * areas/access and areas/organizations.
 */

export interface KeyRecord
  extends Pick<ApiKey, 'id' | 'name' | 'organizationId' | 'memberId' | 'status' | 'expiresAt'> {
  readonly organizationPath: string;
  readonly scopes: string[];
  readonly doors: Door[];
  readonly ipAllowlist: string[];
  /** Of the organisation it is bound to, if it is. */
  readonly boundPath: string | undefined;
}

export interface CertificateRecord {
  readonly id: string;
  readonly organizationId: string;
  readonly organizationPath: string;
  readonly thumbprint: string;
  readonly pem: string;
  readonly chainPem: string | null;
  readonly uses: CertificateUse[];
  readonly status: 'active' | 'revoked';
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly retiresAt: Date | null;
  readonly policy: CertificatePolicy;
}

export interface OrganizationRecord {
  readonly id: string;
  readonly path: string;
  readonly status: 'active' | 'suspended';
  readonly dataRegion: string | null;
}

type Row = Record<string, unknown>;

const keySql = (where: string): string => `
  select k.id, k.name, k.organization_id, k.scopes, k.doors, k.member_id, k.ip_allowlist, k.expires_at, k.status,
         k.previous_valid_until, k.bound_organization_id, o.path, b.path as bound_path
    from api_keys k
    join organizations o on o.id = k.organization_id
    left join organizations b on b.id = k.bound_organization_id
   where ${where}
     and (k.member_id is null or exists (select 1 from members m where m.id = k.member_id and m.status = 'active'))`;
const keyBySecret = keySql('k.secret_hash = ?');
const keyByPreviousSecret = keySql('k.previous_secret_hash = ?');

/**
 * The key with this secret, or with this one before its last rotation, while that still opens. A member's key is none before
 * the invitation was accepted, nor after the member was removed.
 */
export async function findKey(db: Database, hash: string, now: Date): Promise<KeyRecord | undefined> {
  const [current] = await rows(db, keyBySecret, [hash]);
  if (current) return keyRecord(current);
  const [rotated] = await rows(db, keyByPreviousSecret, [hash]);
  const until = rotated && instant(rotated.previous_valid_until);
  return until && now < until ? keyRecord(rotated) : undefined;
}

const certificateSql = (where: string): string => `
  select c.id, c.organization_id, c.thumbprint, c.pem, c.chain_pem, c.uses, c.status, c.not_before, c.not_after,
         c.retires_at, c.policy, o.path
    from client_certificates c
    join organizations o on o.id = c.organization_id
   where ${where}`;
const certificatesByThumbprint = certificateSql('c.thumbprint = ?');

/** Every organisation's registration of the certificate. */
export async function findRegistrations(db: Database, thumbprint: string): Promise<CertificateRecord[]> {
  return (await rows(db, certificatesByThumbprint, [thumbprint])).map(certificateRecord);
}

/** What these organisations registered and did not revoke. */
export async function certificatesOf(db: Database, organizations: readonly string[]): Promise<CertificateRecord[]> {
  const where = `c.status = 'active' and c.organization_id in (${marks(organizations)})`;
  return (await rows(db, certificateSql(where), organizations)).map(certificateRecord);
}

export async function findOrganizations(db: Database, ids: readonly string[]): Promise<OrganizationRecord[]> {
  const sql = `select id, path, status, data_region from organizations where id in (${marks(ids)})`;
  return (await rows(db, sql, ids)).map(row => ({
    id: String(row.id),
    path: String(row.path),
    status: row.status as OrganizationRecord['status'],
    dataRegion: row.data_region as string | null,
  }));
}

/** Blocks by organisation. */
export async function findAddresses(
  db: Database,
  ids: readonly string[],
): Promise<{ organizationId: string; cidr: string }[]> {
  const sql = `select organization_id, cidr from allowed_addresses where organization_id in (${marks(ids)})`;
  return (await rows(db, sql, ids)).map(row => ({
    organizationId: String(row.organization_id),
    cidr: String(row.cidr),
  }));
}

async function rows(db: Database, sql: string, parameters: readonly unknown[]): Promise<Row[]> {
  try {
    return (await db.kysely().executeQuery<Row>(CompiledQuery.raw(sql, [...parameters]))).rows;
  } catch (error) {
    throw presentable(error);
  }
}

const marks = (values: readonly unknown[]): string => values.map(() => '?').join(', ');

function keyRecord(row: Row): KeyRecord {
  return {
    id: String(row.id),
    name: String(row.name),
    organizationId: String(row.organization_id),
    organizationPath: String(row.path),
    boundPath: row.bound_organization_id === null ? undefined : String(row.bound_path),
    memberId: row.member_id as string | null,
    status: row.status as KeyRecord['status'],
    scopes: json(row.scopes),
    doors: json(row.doors),
    ipAllowlist: json(row.ip_allowlist),
    expiresAt: instant(row.expires_at),
  };
}

function certificateRecord(row: Row): CertificateRecord {
  return {
    id: String(row.id),
    organizationId: String(row.organization_id),
    organizationPath: String(row.path),
    thumbprint: String(row.thumbprint),
    pem: String(row.pem),
    chainPem: row.chain_pem as string | null,
    uses: json(row.uses),
    status: row.status as CertificateRecord['status'],
    notBefore: instant(row.not_before)!,
    notAfter: instant(row.not_after)!,
    retiresAt: instant(row.retires_at),
    policy: json(row.policy),
  };
}

/** Text on SQLite and MariaDB, a value already on MySQL. */
function json<T>(value: unknown): T {
  return (typeof value === 'string' ? JSON.parse(value) : value) as T;
}

/** Unix milliseconds on SQLite, `2026-11-21 10:00:00.000` in UTC on the others. */
function instant(value: unknown): Date | null {
  if (value === null || value === undefined) return null;
  return typeof value === 'string' ? new Date(`${value.replace(' ', 'T')}Z`) : new Date(Number(value));
}
