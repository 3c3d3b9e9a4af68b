/** The services that modules offer each other, and the tokens to ask for them. */

import type { MessageContext } from '#module/context.ts';
import { serviceToken } from '#module/host.ts';
import type { DigestHash } from '#sip/digest.ts';
import type { SipMessage } from '#sip/message.ts';
import type { Failure } from '#util/failure.ts';
import type { Flow, LocalSocket } from '#util/socket-address.ts';
import type { StorageFigures } from '#util/storage-figures.ts';

/** A request of our own. Values of header fields are written as they stand. */
export interface LocalRequest {
  /** Any but INVITE, ACK and CANCEL. */
  readonly method: string;
  readonly uri: string;
  /** A name-addr; gets a tag when it has none. */
  readonly from: string;
  readonly to: string;
  /** Absent: a new one. */
  readonly callId?: string;
  /** Absent: 1. */
  readonly cseq?: number;
  /** Further header lines, each ending in CRLF; Route among them. */
  readonly headers?: string;
  readonly body?: string;
  readonly contentType?: string;
  /** URI of the next hop; absent: the first Route, then the Request-URI. */
  readonly nextHop?: string;
  /** Absent: chosen by the destination. */
  readonly socket?: LocalSocket;
  /** `$avp(uac_ctx)` of the local_route. */
  readonly context?: string;
}

export interface LocalOutcome {
  /** Final status; 408 and 503 also when nobody answered or nobody could be reached, 0 when it was not sent at all. */
  readonly status: number;
  /** Null: the status is our own. */
  readonly response: SipMessage | null;
  readonly problem: Failure | null;
}

/** Connections of clients (TCP). Provided by the node. */
export interface ConnectionService {
  /** The connection that a message came by is not idle for so long, ms: somebody is to be reached over it. */
  keep(flow: Flow, milliseconds: number): void;
  /** Requests to `port` of the address that the connection came from go over it; false when it is gone. */
  addAlias(flow: Flow, port: number): boolean;
  /** Those that there are, for a listing. */
  list(): readonly Readonly<Record<string, string | number>>[];
}
export const connectionService = serviceToken<ConnectionService>('connections');

/** Provided by the program itself: what it remembers of the DNS. */
export interface NameService {
  list(): readonly Readonly<Record<string, string | number>>[];
  /** Forgets all; returns how many answers that were. */
  flush(): number;
}
export const nameService = serviceToken<NameService>('names');

/** Provided by `tm`. */
export interface TransactionService {
  /** True when a server transaction exists for this context's request. */
  exists(context: MessageContext): boolean;
  /** Creates it if missing; false when the table is full or the request is an ACK. */
  create(context: MessageContext): boolean;
  /** Stateful reply; creates the transaction if missing. Return codes of `t_reply`. */
  reply(context: MessageContext, status: number, reason: string, body?: string, contentType?: string): number;
  /** `t_relay()`. */
  relay(context: MessageContext): number;
  /** Sends a request of our own through a transaction; `done` hears of its outcome, once. */
  send(request: LocalRequest, done: (outcome: LocalOutcome) => void): void;
  /** In a failure route: the 3xx that branches got, and every URI that was tried so far. */
  redirections(context: MessageContext): {
    readonly replies: readonly SipMessage[];
    readonly tried: readonly string[];
  };
}
export const transactionService = serviceToken<TransactionService>('tm');

/** Provided by `sl`. */
export interface StatelessService {
  reply(context: MessageContext, status: number, reason: string): number;
  /** True when this ACK answers a stateless reply of this cluster, whichever node sent it: it ends here. */
  absorbsAck(ack: SipMessage): boolean;
}
export const statelessService = serviceToken<StatelessService>('sl');

/** A call that is over, as those who act on its end see it. */
export interface EndedDialog {
  readonly id: string;
  readonly callId: string;
  readonly fromTag: string;
  readonly toTag: string;
  /** When it was answered, to the second; unix milliseconds. */
  readonly start: number;
  /** Unix milliseconds. */
  readonly ended: number;
  /** As `$DLG_end_reason`. */
  readonly reason: string;
  /** What the listener's module kept with it. */
  readonly kept: string;
  /** The node whose duty it was is gone, and has done it: only what can be done twice is to be done again. */
  readonly isRepeat: boolean;
}

/** Provided by `dialog`. */
export interface DialogService {
  /** Creates a dialog for an initial INVITE; true if the context has one afterwards. */
  create(context: MessageContext): boolean;
  dialogId(context: MessageContext): string | null;
  /** Gives a context the dialog of that id, which another node began; false when it is not known here. */
  attach(context: MessageContext, id: string): boolean;
  /** Keeps a text of the module `name` with the context's dialog, on all nodes; false when there is no dialog. */
  keep(context: MessageContext, name: string, text: string): boolean;
  /**
   * `listener` is called when an answered dialog ends with which `name` keeps something: on one node of the cluster,
   * whichever node saw the end; once more on another (`isRepeat`) when that node dies soon afterwards.
   */
  onEnd(name: string, listener: (dialog: EndedDialog) => void): void;
}
export const dialogService = serviceToken<DialogService>('dialog');

/** Whose password is asked for. */
export interface CredentialOwner {
  /** User part of the name in the credentials, as its bytes came. */
  readonly username: string;
  /** What stands behind the `@` of a name that has one, else the realm. */
  readonly domain: string;
  /** The name as sent: it is what was hashed. */
  readonly sentName: string;
  readonly realm: string;
  readonly hash: DigestHash;
}

/** H(username:realm:password) of a user, hexadecimal; null when there is no such user; a Failure when nobody knows. */
export type PasswordAnswer = PasswordFound | null | Failure;

export interface PasswordFound {
  readonly ha1: string;
  /** Asks again where `ha1` may be old; null when it is not. */
  readonly reread: (() => Promise<PasswordAnswer>) | null;
  /** Called when the credentials are right. */
  accept(): void;
}

export type AuthorizationKind = 'www' | 'proxy';

/** Provided by `auth`: what is common to all sources of passwords. */
export interface AuthenticationService {
  /** Return codes of `www_authorize` and `proxy_authorize`. `realm` '' is the domain of the request. */
  authorize(
    context: MessageContext,
    kind: AuthorizationKind,
    realm: string,
    find: (owner: CredentialOwner) => PasswordAnswer | Promise<PasswordAnswer>,
  ): number | Promise<number>;
}
export const authenticationService = serviceToken<AuthenticationService>('authentication');

/** Provided by the server: keys that every node of the cluster derives alike, one for each purpose. */
export interface SecretService {
  /** True when nobody outside of the cluster can know the keys. */
  readonly isSecret: boolean;
  derive(purpose: string): Uint8Array;
}
export const secretService = serviceToken<SecretService>('secret');

export type TableRow = Readonly<Record<string, string | number | null>>;

export interface TableQuery {
  readonly table: string;
  readonly columns: readonly string[];
  /** Column and value, all of which a row must have. */
  readonly where: readonly (readonly [string, string])[];
  readonly rowsMax: number;
}

/** Tables that the operator fills, read while a message waits; implemented in `db`. */
export interface TableSource {
  /** Where it leads, without a password. */
  readonly description: string;
  /** Failures: DB_NAME_INVALID and those of the connection. */
  select(query: TableQuery): Promise<readonly TableRow[] | Failure>;
}

/** Provided by the server. Failures: DB_URL_INVALID. */
export interface TableService {
  open(url: string): TableSource | Failure;
  /** For tables that are written; absent where nothing is. */
  readonly records?: RecordService;
}
export const tableService = serviceToken<TableService>('tables');

/** A row that is written once and never changed. */
export interface StoredRecord {
  /** At most 40 characters; the same for the same event on every node, so that it is written once. */
  readonly key: string;
  readonly columns: Readonly<Record<string, string | number | null>>;
}

/** A table of records, written behind; implemented in `db`. */
export interface RecordStorage {
  readonly figures: Omit<StorageFigures, 'removed'>;
  /** False when too many wait: the record is in the log only. */
  append(record: StoredRecord): boolean;
  /** Writes what waits, unless a pause after a failure is still on. */
  pump(): void;
}

export interface SpooledRecord extends StoredRecord {
  readonly table: string;
}

/** A file in which records wait too, so that they outlive the process; implemented in `db`. */
export interface RecordSpool {
  readonly figures: { readonly bytes: number; readonly dropped: number };
  add(record: SpooledRecord): void;
  /** These need not wait any more. */
  done(table: string, keys: readonly string[]): void;
}

/** Provided by the server. `onDone` hears the keys of records that are written. Failures: DB_URL_INVALID, DB_NAME_INVALID. */
export interface RecordService {
  open(url: string, table: string, onDone: (keys: readonly string[]) => void): RecordStorage | Failure;
  /** `each` gets what a former life left in the file. Failure: DB_SPOOL_UNUSABLE. */
  spool?(path: string, each: (record: SpooledRecord) => void): RecordSpool | Failure;
}

/** Duties that one node of the cluster has at a time. */
export interface SharingTagService {
  /** This node may have it; `isPreferred`: it comes first when nobody does. */
  declare(name: string, isPreferred: boolean): void;
  isActive(name: string): boolean;
  /** Takes it from whoever has it; that comes about some milliseconds later, or not when no majority agrees. */
  activate(name: string): void;
  list(): readonly SharingTagEntry[];
  /** Called whenever a tag becomes active here, or ends to be. */
  onChange(run: (tag: string, isActive: boolean, reason: string) => void): void;
}

export interface SharingTagEntry {
  readonly tag: string;
  readonly isActive: boolean;
  readonly epoch: number;
  /** Node that has it as far as is known here, 0 = nobody. */
  readonly holder: number;
}

/** Provided by the server: the cluster as the operator sees it. */
export interface ClusterView {
  list(): unknown;
  topology(): unknown;
  capabilities(): unknown;
  /** `node` 0: this one. Failures: SERVER_CLUSTER_UNKNOWN, SERVER_NODE_UNKNOWN, and those of the database. */
  setStatus(clusterId: number, node: number, isEnabled: boolean): unknown;
  reload(): unknown;
  readonly clusterId: number;
  readonly tags: SharingTagService;
  /** Sums over all peers, by the names of the module's statistics. */
  figures(): Readonly<Record<string, number>>;
  /** Nodes of the cluster without this one. */
  count(which: 'all' | 'up' | 'down'): number;
}
export const clusterView = serviceToken<ClusterView>('cluster-view');

/** Provided by the server: every management method that this node knows. For `which` and `help`. */
export interface CommandDirectory {
  /** Full names, sorted. */
  names(): readonly string[];
  /** By full name, alias or unique bare name; null when there is none. */
  help(name: string): { readonly help: string; readonly parameters: readonly string[] } | null;
}
export const commandDirectory = serviceToken<CommandDirectory>('command-directory');

/** Provided by the server: the process as the core's own commands and variables show it. */
export interface ProcessView {
  /** Version of the program, `0.1.0`. */
  readonly version: string;
  /** When the node started, ms since 1970. */
  readonly startedAt: number;
  /** Number that OpenSIPS would give this process, its pid, and what it does. */
  list(): readonly { readonly ID: number; readonly PID: number; readonly Type: string }[];
  /** OpenSIPS's levels, -3…4. */
  logLevel(): number;
  setLogLevel(level: number): void;
}
export const processView = serviceToken<ProcessView>('process-view');

/** What went wrong with a message, for `$err` and `sl_reply_error`. Stands in the context's attachments as `error`. */
export interface MessageError {
  readonly class: number;
  readonly level: number;
  readonly info: string;
  /** Status and reason that a reply should say. */
  readonly status: number;
  readonly reason: string;
}
