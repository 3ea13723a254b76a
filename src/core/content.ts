import { createHash } from 'node:crypto';

/**
 * A file on its way through an operation: its measures, and its octets as a stream, from the start as often as wanted.
 * Whether they lie in memory, in the spool of a message or in the database is the business of whoever made it.
 */
export abstract class Content {
  abstract readonly size: number;
  /** Of the octets, lowercase hex. */
  abstract readonly sha256: string;
  abstract open(): AsyncIterable<Buffer>;
}

/** What came within a JSON text or an envelope, and is in memory as that is. */
export class OctetContent extends Content {
  readonly size: number;
  readonly sha256: string;
  readonly octets: Buffer;

  constructor(octets: Buffer) {
    super();
    this.size = octets.length;
    this.sha256 = createHash('sha256').update(octets).digest('hex');
    this.octets = octets;
  }

  async *open(): AsyncGenerator<Buffer> {
    yield this.octets;
  }

  /** In an answer. */
  toJSON(): string {
    return this.octets.toString('base64');
  }
}

/** Reads what the database keeps, chunk by chunk, outside of any transaction. */
export type OpenStored = (organizationId: string, blobId: string) => AsyncIterable<Buffer>;
