import { Refusal } from '../../src/core/errors.ts';

/** The Refusal that the promise ends in; anything else fails the test. */
export async function refusalFrom(attempt: Promise<unknown>): Promise<Refusal> {
  try {
    await attempt;
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
  throw new Error('it was accepted');
}
