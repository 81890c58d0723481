// Written by scripts/generate.mjs from idl/bulwark.json: run "npm run generate" to write it again.

import type { Address } from '@solana/kit';

/** The exchange. */
export const EXCHANGE_ADDRESS = '96RQzNVmGV6BtijYjnQjhRxugwhD9F1NLbjaHPyzcat1' as Address;
/** The pool. */
export const POOL_ADDRESS = '7aju8aWTmEEPFgRkgsaBAsANP2v3vw3WmYEuofnNWBhq' as Address;
/** The insurance fund. */
export const INSURANCE_FUND_ADDRESS = '6XuLwQz3589iPka4g5bgxAgPoGMvGQ5FBjuWK8LSSEQ8' as Address;
/** Mint of the junior tranche's pool shares. */
export const JUNIOR_MINT_ADDRESS = 'AwZLsuL1HSntdHFF1SF2hsMLVoZ6C5sEFGmaxXPWXyaL' as Address;
/** Mint of the senior tranche's pool shares. */
export const SENIOR_MINT_ADDRESS = '4nTCqxUwsNL4VHsgWthhHvTcCv9Qcv6yJ3UHQwSNp7mk' as Address;
/** Mint of the backstop's shares. */
export const BACKSTOP_MINT_ADDRESS = 'CE13HgsXkbvyFGsnHM4wTUJ65jgMFZCWP2tdZJmSEkwM' as Address;
/** Data account of the deployed program: names the upgrade authority. */
export const PROGRAM_DATA_ADDRESS = 'BGmKkSuTJePXkzhbJYRyjaWQPctMiyPpedrCt4ZJRy6E' as Address;
/** Addresses of the markets, by index. */
export const MARKET_ADDRESSES = [
  'BDFve8DU4z1b2veT66XdLsP3FkSuWexU2ViHrYBkBc1p',
  'FhcQRGYfYrYvWvvD9Byu8HLzdVT3tWPXQebEJJiZBbzB',
  'B74sZgyy5jYBfpVNyUHrNrcxtiQ81NpbxLkeK1EYA682',
  'F6LxTifaJjet9i9oVMdbaX9JtdLArmjBejDsB9tmDbUH',
  '993NNMBkUTX2aZaZfchdsmhcE2XjEhSfw6dATdV2NyTK',
  '5eABnmZ5azNsY73KTHF394cC1W7StGuUPysa5FGuo9cd',
  '4coa88Xto4Zq7jJMvDPMxww93j31QLEu7QXnM8CxLzEY',
  '3NmuVmVeNbe9WZGVxAteRtoFDgzHgbKzJ5QLi3Hkfdbe',
  '8ka97zmqhRgRkDNH5i9P7Gj6oxcisyd9jf4ZCaRU4JwF',
  'HwaoxyBTwCsEkyGpWJ5qd3a4UsgxPZya7cv2MfrNB6dT',
  '8CjyEuKJ82269pyJQoZ1aXgQLCEXqHKJrmYMkMbsweGn',
  'FtXgbcua3RtD6KJri3hSUBgrM6UmKEWVFTyFZ7JJXAgR',
  '9vDutHe55fmAapKPYUhEyoSiehdKPHgj9xKLtYHpLnHD',
  'PiJ5ofLBRB9JCnFXWqjFGYW4ateaCZe83dBg5woitJt',
  '3Q6RBvCxpFb7BshdyQqoiPiemcX4rojGohtF9RHPJXxT',
  'GFXQSPpiurpS1cNf14xqe2g2MB2A2bSt83vgrXHtAjP4',
  '8gwvhUEGfUy14n1azSYrDaMtnAQZXU1wVhwzYy6Tn3jM',
  'B6HTAgcyiPA2uVS8vRJZNGskjLRWu4hnT2nSzLWqPAxM',
  'GjdrEfdKxKy1LfuPLzyyD3BLvGBrFhNcbpC8CiuLsXSn',
  'AqZMhsfcJK1XPyitEf8bRcmWFmCHAGNmkbE86PV5z8MC',
  'Ad9uhfzyVQQLjPNJwFMyfE74LoiRBPdh1GHiUvWa11QD',
  '3PJU6PLMPvpLJtD8P7TZS2FxqZ5kNTeFPejAfK8TDykr',
  '8vJp4M3Vn9YgXrF6boXmD2pcqu67fkV2Kdvruknk31bF',
  '2hq61JKnfwxoQxXr6dDzSmhUimVbvjwfkJd8vMwis3Gd',
  'ApMmUWkxNvvgu1aTj5za1pibQsrQuqve9HZPHRMHKoJg',
  'GuL4gHAGzdFMfgZXHfUHc9XeefXuoECbHtn27k9yhXWw',
  'ExgH5S5fdQB6nKJ2ve7R6q7SeMMNUgVF8c5D719hNkeR',
  'XF6zp5yaaoiyN21fwZhye8owBjtzbz93DLcqU77rF24',
  'yW3PHFwJMvyybXnY2obPBTA4cbjfdDo2HmVtmFN9nNB',
  'GqDbaaa4tMetwagXE2ekDQhL5oTQXLUN3PhxWNUiAjaZ',
  'EvZ8wr7WX1WWGfXkQpxDf2TX65CFQ2FiRmtGv3nEHpmM',
  'AV7iTDoUkpWLkYYVGJ2rMfVCibAqG3Sx2GhPHheQC57s',
] as Address[] as readonly Address[];
