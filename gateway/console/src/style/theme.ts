// The control room's colours for the component library; the same values stand in console.css as variables.
import type { GlobalThemeOverrides } from 'naive-ui'

export const FONT =
  '"Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Microsoft YaHei", "PingFang SC", "Segoe UI", Roboto, sans-serif'

export const themeOverrides: GlobalThemeOverrides = {
  common: {
    fontFamily: FONT,
    fontSize: '14px',
    borderRadius: '6px',
    bodyColor: '#0b1017',
    cardColor: '#121a25',
    modalColor: '#16202d',
    popoverColor: '#1a2534',
    tableColor: '#121a25',
    inputColor: '#0e151f',
    borderColor: '#25324391',
    dividerColor: '#253243',
    textColorBase: '#e8edf4',
    textColor1: '#f1f5fa',
    textColor2: '#d5dde8',
    textColor3: '#8fa0b5',
    placeholderColor: '#66788f',
    primaryColor: '#4c9ffe',
    primaryColorHover: '#72b4ff',
    primaryColorPressed: '#3387ea',
    primaryColorSuppl: '#3387ea',
    errorColor: '#ff5a4f',
    errorColorHover: '#ff7b72',
    errorColorPressed: '#e0443a',
    errorColorSuppl: '#e0443a',
    warningColor: '#f5a623',
    warningColorHover: '#ffbb4d',
    warningColorPressed: '#d98d10',
    warningColorSuppl: '#d98d10',
    successColor: '#2fbf71',
    successColorHover: '#4dd088',
    successColorPressed: '#22a35d',
    successColorSuppl: '#22a35d',
  },
}
