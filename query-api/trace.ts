// Trace context: the caller's `traceparent` is continued, else a trace begins here. W3C Trace Context.
import type { NextFunction, Request, RequestHandler, Response } from 'express';

const TRACEPARENT = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})$/;

/** Trace id of a request, as set by the middleware. */
export const traceIdOf = (response: Response): string => String(response.locals['traceId'] ?? '');

export function tracing(uuid: () => string): RequestHandler {
  return (request: Request, response: Response, next: NextFunction) => {
    const match = TRACEPARENT.exec(request.headers['traceparent']?.toString() ?? '');
    const traceId = match?.[1] ?? uuid().replaceAll('-', '');
    const spanId = uuid().replaceAll('-', '').slice(0, 16);
    response.locals['traceId'] = traceId;
    response.setHeader('traceparent', `00-${traceId}-${spanId}-${match?.[2] ?? '00'}`);
    next();
  };
}
