import { Button } from '../components/button.tsx';
import type { IconName } from '../components/icon.tsx';
import { setTheme, type ThemeChoice, useTheme } from '../theme/theme.ts';

const next: Record<ThemeChoice, ThemeChoice> = { system: 'light', light: 'dark', dark: 'system' };
const icons: Record<ThemeChoice, IconName> = { system: 'system', light: 'sun', dark: 'moon' };

export function ThemeButton() {
  const { choice } = useTheme();
  const name = `Theme: ${choice}`;
  return (
    <Button
      look="quiet"
      icon={icons[choice]}
      aria-label={name}
      title={`${name} (press for ${next[choice]})`}
      onClick={() => setTheme(next[choice])}
    />
  );
}
