\ir create.sql
\ir grants.sql
