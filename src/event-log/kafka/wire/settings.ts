/** How to reach a Kafka cluster: what an operator sets, the same for every part of the program that talks to it. */
export interface KafkaClientSettings {
  /** `host:port` of one broker or more; the others are learnt from them. */
  readonly brokers: readonly string[];
  /** Shown in the brokers' logs and quotas. */
  readonly clientId: string;
  readonly tls?: KafkaTls;
  readonly sasl?: KafkaSasl;
}

/** All PEM text. An empty object: TLS with the certificate authorities that Node knows. */
export interface KafkaTls {
  readonly ca?: string;
  /** For brokers that ask who the client is. */
  readonly cert?: string;
  readonly key?: string;
  readonly passphrase?: string;
  /** The name on the brokers' certificate, where it is not the host that is connected to. */
  readonly serverName?: string;
}

export type KafkaSasl =
  | {
      readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512';
      readonly username: string;
      readonly password: string;
    }
  /** A function is asked for each connection, and again before the broker's session ends. */
  | { readonly mechanism: 'OAUTHBEARER'; readonly token: string | (() => string | Promise<string>) };

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}
