import { AuditEvent } from './audit.ts';
import { AuditCheckpoint, AuditHead, AuditLink } from './audit-chain.ts';
import { Blob, BlobChunk } from './blobs.ts';
import { UsedKey } from './once.ts';
import { OutboxEvent } from './outbox.ts';

/** The entities of src/db itself; openDatabase adds them to those it is given. */
export const ownEntities = [AuditCheckpoint, AuditEvent, AuditHead, AuditLink, Blob, BlobChunk, OutboxEvent, UsedKey];
