// Structured logs: JSON lines on standard output, with service and instance in each. Addresses, keys and bodies are never
// logged (G12); the redaction below is the second wall, not the first.
import { type Logger, pino } from 'pino';

/** Logger of a service. `level` is a pino level name. */
export function createLogger(options: { service: string; instance: string; level: string }): Logger {
  return pino({
    level: options.level,
    base: { service: options.service, instance: options.instance },
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: {
      paths: [
        'req.headers.authorization',
        'req.headers.cookie',
        'req.headers["x-forwarded-for"]',
        'req.headers["user-agent"]',
        'req.remoteAddress',
        'req.remotePort',
        'key',
        'authorization',
      ],
      censor: '[redacted]',
    },
  });
}
