import { UniqueConstraintViolationException } from '@mikro-orm/core';
import { Refusal } from '../core/errors.ts';
import type { TenantEntityManager } from '../core/operation.ts';

/**
 * Writes now. What the database holds unique decides between transactions that see nothing of each other, and of what is
 * unique over all organisations here alone. Refusal `conflict` with the message.
 */
export async function flushUnique(em: TenantEntityManager, message: string): Promise<void> {
  try {
    await em.flush();
  } catch (error) {
    if (error instanceof UniqueConstraintViolationException) throw new Refusal('conflict', message);
    throw error;
  }
}
