// What pages that talked to Webalytic load instead: the same page contract, our own script. Calls made before it loaded are waiting in the
// queue of the stub that the page brought along.

type Fields = Record<string, unknown>;
type Call = ArrayLike<unknown>;
type Api = { (...call: unknown[]): void; push: (...calls: Call[]) => number; q?: Call[] };

const COOKIE = '_wbltc.uid';
/** Visitors are told apart for a day and no longer, so there is nothing to keep an id for beyond that. */
const COOKIE_SECONDS = 86_400;
const PARAMETERS: Record<string, string> = {
  category: 'ec',
  action: 'ea',
  label: 'el',
  value: 'ev',
  eventCategory: 'ec',
  eventAction: 'ea',
  eventLabel: 'el',
  eventValue: 'ev',
  page: 'dp',
  location: 'dl',
  title: 'dt',
  referrer: 'dr',
  nonInteraction: 'ni',
  sessionControl: 'sc',
  campaignSource: 'cs',
  campaignMedium: 'cm',
  campaignName: 'cn',
  campaignKeyword: 'ck',
  campaignContent: 'cc',
};

let apiUrl = '';
let resourceId = '';

const hex = (): string => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');

function clientId(): string {
  const known = document.cookie
    .split('; ')
    .find((each) => each.startsWith(`${COOKIE}=`))
    ?.slice(COOKIE.length + 1);
  const id = known !== undefined && /^[\w.-]{1,64}$/.test(known) ? known : hex();
  // biome-ignore lint/suspicious/noDocumentCookie: the asynchronous cookie store is not everywhere.
  document.cookie = `${COOKIE}=${id}; path=/; max-age=${COOKIE_SECONDS}; samesite=lax`;
  return id;
}

function send(hitType: string, fields: Fields): void {
  if (apiUrl === '' || resourceId === '') return;
  const query = new URLSearchParams({ t: hitType, tid: resourceId, cid: clientId(), ds: 'sdk', z: hex().slice(0, 8) });
  query.set('dl', location.href);
  query.set('sr', `${screen.width}x${screen.height}`);
  if (document.referrer !== '') query.set('dr', document.referrer);
  if (hitType === 'pageview') query.set('dt', document.title);
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined || value === null) continue;
    const custom = /^(dimension|metric)(\d{1,3})$/.exec(name);
    const parameter = custom ? `c${custom[1]?.[0]}${custom[2]}` : PARAMETERS[name];
    if (parameter !== undefined) query.set(parameter, value === true ? '1' : String(value));
  }
  const url = `${apiUrl.replace(/\/$/, '')}/collect?${query}`;
  if (!navigator.sendBeacon?.(url, '{}'))
    void fetch(url, { method: 'POST', body: '{}', keepalive: true, credentials: 'omit' }).catch(() => {});
}

const fieldsOf = (value: unknown): Fields => (typeof value === 'object' && value !== null ? (value as Fields) : {});

/** `create` and `send`, and the older `init`, `hit` and `event`. Anything else is left alone. */
function run(call: Call): void {
  const [command, first, second, third, fourth] = Array.from(call);
  const fields = fieldsOf(first);
  if (command === 'create' || command === 'init') {
    apiUrl = String(fields['apiUrl'] ?? apiUrl);
    resourceId = String(fields['resourceId'] ?? (typeof first === 'string' ? first : resourceId));
  } else if (command === 'send') {
    const { hitType = typeof first === 'string' ? first : 'pageview', ...rest } = fields;
    send(String(hitType), typeof first === 'string' ? fieldsOf(second) : rest);
  } else if (command === 'hit') {
    send('pageview', fields);
  } else if (command === 'event') {
    const told = typeof first === 'string' ? { eventCategory: first, eventAction: second, eventLabel: third, eventValue: fourth } : fields;
    send('event', told);
  }
}

/** The page's stub may have another name, which it then leaves here. */
const page = window as unknown as Record<string, Api | Call[] | string | undefined>;
const { WebAlyticObject } = page;
const objectName = typeof WebAlyticObject === 'string' && WebAlyticObject !== '' ? WebAlyticObject : 'WebAlyticSDK';
const waiting = page[objectName] as Api | Call[] | undefined;
const script = document.currentScript as HTMLScriptElement | null;
if (script !== null) apiUrl = new URL('.', script.src).href;

const api: Api = Object.assign((...call: unknown[]) => run(call), {
  push(...calls: Call[]) {
    for (const call of calls) run(call);
    return 0;
  },
});
page[objectName] = api;
for (const call of Array.isArray(waiting) ? waiting : (waiting?.q ?? [])) run(call);
