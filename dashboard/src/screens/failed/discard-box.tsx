import { useState } from 'react';
import type { FailedEventDetail } from '../../../../src/http/contract.ts';
import type { ApiError } from '../../api/problem.ts';
import { api } from '../../api/request.ts';
import { asApiError } from '../../api/use-request.ts';
import { Button } from '../../components/button.tsx';
import { Dialog } from '../../components/dialog.tsx';
import { Failure } from '../../components/states.tsx';

interface DiscardBoxProps {
  readonly failed: FailedEventDetail;
  readonly onClose: () => void;
  readonly onDiscarded: () => void;
}

export function DiscardBox({ failed, onClose, onDiscarded }: DiscardBoxProps) {
  const [isBusy, setIsBusy] = useState(false);
  const [refusal, setRefusal] = useState<ApiError | null>(null);

  const discard = async () => {
    setIsBusy(true);
    setRefusal(null);
    try {
      await api.discard(failed.id);
      onDiscarded();
      onClose();
    } catch (error) {
      setRefusal(asApiError(error));
      setIsBusy(false);
    }
  };

  return (
    <Dialog
      kind="box"
      title="Discard this failed event?"
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>Keep it</Button>
          <Button look="danger" icon="discard" isBusy={isBusy} onClick={discard}>
            Discard
          </Button>
        </>
      }
    >
      <p className="box-text">
        It cannot be redriven any more. The record stays here to be read, and the ledger goes on counting it as failed.
      </p>
      {refusal && <Failure error={refusal} />}
    </Dialog>
  );
}
