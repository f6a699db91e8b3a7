import { useId, useState } from 'react';
import type { FailedEventDetail } from '../../../../src/http/contract.ts';
import type { ApiError } from '../../api/problem.ts';
import { api } from '../../api/request.ts';
import { asApiError } from '../../api/use-request.ts';
import { Button } from '../../components/button.tsx';
import { Dialog } from '../../components/dialog.tsx';
import { Failure } from '../../components/states.tsx';
import { useJobs } from '../../jobs/jobs-provider.tsx';
import { formatJsonText, payloadTextOf, problemOfJsonObject } from '../../json/json-text.ts';
import { isConflict } from './failed-states.ts';
import { ReasonBox } from './reason-box.tsx';

interface RedriveBoxProps {
  readonly failed: FailedEventDetail;
  /** The payload as it was edited so far; null: as it was sent. */
  readonly draft: string | null;
  readonly onDraft: (draft: string | null) => void;
  readonly onClose: () => void;
}

/** The payload is edited as text and sent as text: digits that nobody touched stay as they were. */
export function RedriveBox({ failed, draft, onDraft, onClose }: RedriveBoxProps) {
  const { follow } = useJobs();
  const [original] = useState(() => {
    const payload = failed.value === null ? null : payloadTextOf(failed.value);
    return payload === null ? '' : formatJsonText(payload);
  });
  const [isBusy, setIsBusy] = useState(false);
  const [refusal, setRefusal] = useState<ApiError | null>(null);
  const noteId = useId();
  const text = draft ?? original;
  const isEdited = text !== original;
  const problem = isEdited ? problemOfJsonObject(text) : null;

  const redrive = async () => {
    setIsBusy(true);
    setRefusal(null);
    try {
      const { job_id: jobId } = await api.redriveOne(failed.id, isEdited ? text : undefined);
      if (jobId) follow(jobId);
      onDraft(null);
      onClose();
    } catch (error) {
      setRefusal(asApiError(error));
      setIsBusy(false);
    }
  };

  return (
    <Dialog
      kind="box"
      title="Redrive this event"
      onClose={onClose}
      footer={
        <>
          {isEdited && (
            <Button look="quiet" onClick={() => onDraft(null)}>
              Undo the edit
            </Button>
          )}
          <Button onClick={onClose}>Cancel</Button>
          <Button look="primary" icon="redrive" isBusy={isBusy} disabled={problem !== null} onClick={redrive}>
            {isEdited ? 'Redrive with this payload' : isConflict(failed) ? 'Store as a new event' : 'Redrive as it is'}
          </Button>
        </>
      }
    >
      <ReasonBox failed={failed} />
      <p className="box-text">
        {isConflict(failed)
          ? 'Its id belongs to an event that is stored already. Redriven, it becomes an event of its own beside that one, under a new id; if it is not wanted, discard it.'
          : 'It is sent through again, as it is or with a payload you mend here.'}
      </p>
      <label className="detail-section field">
        <span className="field-label">Payload</span>
        <textarea
          className="editor"
          value={text}
          spellCheck={false}
          aria-describedby={noteId}
          aria-invalid={problem !== null}
          onChange={(change) => onDraft(change.target.value)}
        />
      </label>
      <p id={noteId} className={`editor-note ${problem ? 'editor-bad' : ''}`} role="status">
        {problem ??
          (original === '' && !isEdited ? 'No payload can be read from this record.' : isEdited ? 'Valid JSON.' : '')}
      </p>
      {refusal && <Failure error={refusal} />}
    </Dialog>
  );
}
