// The page around the viewer: who answers, the volumes table, the status line, links to a view.
import { startAsk } from './ask/index.js';
import { startChat } from './chat/index.js';
import { startPanel } from './panel.js';
import { startStatus } from './status.js';
import { startRecordNotice } from './records.js';
import { startTable } from './table.js';
import { startLinks } from './links.js';
import { startShell } from './shell.js';
import { guardUploads } from './uploads.js';
import { startStatusLine } from './statusline.js';

let started = false;

/** Wire the page once. `facts`: `maxUploadBytes`, and `still` where nothing may move (test runs). */
export function start(facts) {
  if (started) return;
  started = true;
  document.body.classList.toggle('wb-still', Boolean(facts.still));
  startShell();
  startStatus();
  startPanel(facts);
  startRecordNotice();
  guardUploads(facts.maxUploadBytes);
  startTable();
  startStatusLine();
  startLinks();
  startChat(facts);
  startAsk(facts);
}
