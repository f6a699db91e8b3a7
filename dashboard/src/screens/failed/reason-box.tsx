import type { FailedEventDetail } from '../../../../src/http/contract.ts';
import { reasonText } from './failed-states.ts';
import './failed.css';

/** Why it failed, in the words of the store path. */
export function ReasonBox({ failed }: { readonly failed: FailedEventDetail }) {
  return (
    <div className={`reason-box ${failed.state === 'open' ? '' : 'reason-settled'}`}>
      <strong>{reasonText(failed.reason.code)}</strong>
      {failed.reason.message}
    </div>
  );
}
