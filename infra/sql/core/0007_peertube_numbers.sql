-- Up Migration
-- breaking: no
-- Videos by the number that PeerTube gave them: gateways and statistics look for it every few seconds. Only videos that have one are in it.

CREATE INDEX videos_peertube_number ON videos (site, (meta ->> 'peertubeId')) WHERE meta ? 'peertubeId';
