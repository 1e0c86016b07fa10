// The theme's colours (console.css) for what is drawn on a canvas, which knows no variables: styles use those themselves.

export const COLOURS = ['accent', 'fire', 'crowd', 'stall', 'warn', 'bad', 'bright', 'grid', 'grid-line', 'hole'] as const
export type ColourName = (typeof COLOURS)[number]

export function valueOf(name: ColourName): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()
}
