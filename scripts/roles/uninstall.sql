\ir revoke.sql
\ir drop.sql
