import { type InputHTMLAttributes, type ReactNode, type Ref, useId } from 'react';
import './field.css';

interface TextFieldProps extends Omit<InputHTMLAttributes<HTMLInputElement>, 'list'> {
  readonly label: string;
  readonly suggestions?: readonly string[];
  readonly ref?: Ref<HTMLInputElement>;
}

export function TextField({ label, suggestions, className = '', ...rest }: TextFieldProps) {
  const listId = useId();
  return (
    <label className={`field ${className}`}>
      <span className="field-label">{label}</span>
      <input {...rest} className="field-control" list={suggestions && listId} autoComplete="off" spellCheck={false} />
      {suggestions && (
        <datalist id={listId}>
          {suggestions.map((suggestion) => (
            <option key={suggestion} value={suggestion} />
          ))}
        </datalist>
      )}
    </label>
  );
}

interface SelectFieldProps {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly children: ReactNode;
}

export function SelectField({ label, value, onChange, children }: SelectFieldProps) {
  return (
    <label className="field">
      <span className="field-label">{label}</span>
      <select className="field-control" value={value} onChange={(change) => onChange(change.target.value)}>
        {children}
      </select>
    </label>
  );
}
