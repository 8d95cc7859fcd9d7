-- The catalogue that answers quote prices and stock from. Written by `posta catalogue import`, read by llm-worker.
-- Trigrams are kept in an array, because PostgreSQL's pg_trgm is not installed everywhere.
CREATE TABLE catalogue_version (
    version      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source       text NOT NULL,               -- the file's name
    added        integer NOT NULL,
    changed      integer NOT NULL,
    removed      integer NOT NULL,
    imported_at  timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE product (
    sku          text PRIMARY KEY,
    name         text NOT NULL,
    description  text NOT NULL DEFAULT '',
    category     text NOT NULL DEFAULT '',
    price        numeric(12, 2),              -- NULL: not for sale by a fixed price
    currency     text NOT NULL DEFAULT 'EUR',
    stock        integer,                     -- NULL: not counted
    sizes        text[] NOT NULL DEFAULT '{}',
    url          text NOT NULL DEFAULT '',
    version      bigint NOT NULL REFERENCES catalogue_version,
    search       tsvector NOT NULL,           -- name (A), category (B), description (C), in Spanish and in English
    trigrams     text[] NOT NULL              -- of the name's words, without accents
);
CREATE INDEX product_search ON product USING gin (search);
CREATE INDEX product_trigrams ON product USING gin (trigrams);
