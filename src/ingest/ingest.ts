/** placeholder: the ingest port is being written */
export interface Ingest {
  readonly placeholder: true;
}
