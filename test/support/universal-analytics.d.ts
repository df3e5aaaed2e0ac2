declare module 'universal-analytics' {
  type Fields = Record<string, string | number>;
  type Visitor = {
    pageview(fields: Fields): Visitor;
    event(fields: Fields): Visitor;
    transaction(fields: Fields): Visitor;
    send(done: (error: unknown, count: number) => void): void;
  };
  function init(tid: string, cid: string, options: Record<string, unknown>): Visitor;
  export = init;
}
