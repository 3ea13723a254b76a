import { type Logger, pino } from 'pino';

/** JSON lines on standard output. Of an error only what is named here is written: drivers hang whole statements on theirs. */
export function createLog(level: string): Logger {
  return pino({ level, serializers: { err: told } });
}

interface Told {
  type: string;
  message: string;
  code?: unknown;
  stack?: string;
  cause?: Told;
}

function told(error: unknown): Told {
  if (!(error instanceof Error)) return { type: typeof error, message: 'not an Error' };
  const { name: type, message, stack, cause } = error;
  const code = 'code' in error ? error.code : undefined;
  return { type, message, code, stack, ...(cause instanceof Error && { cause: told(cause) }) };
}
