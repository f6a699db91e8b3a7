import type { ButtonHTMLAttributes, Ref } from 'react';
import './button.css';
import { Icon, type IconName } from './icon.tsx';

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  readonly look?: 'plain' | 'primary' | 'danger' | 'quiet';
  readonly icon?: IconName;
  /** Work is under way: the button stays where it is and takes no second click. */
  readonly isBusy?: boolean;
  readonly ref?: Ref<HTMLButtonElement>;
}

export function Button({ look = 'plain', icon, isBusy = false, children, className, onClick, ...rest }: ButtonProps) {
  const iconOnly = icon && !children;
  return (
    <button
      type="button"
      {...rest}
      // Not `disabled`: that would throw the keyboard focus away in the middle of the work.
      aria-disabled={isBusy || undefined}
      onClick={isBusy ? undefined : onClick}
      className={['button', `button-${look}`, iconOnly && 'button-icon', className].filter(Boolean).join(' ')}
    >
      {icon && <Icon name={icon} />}
      {children}
    </button>
  );
}
