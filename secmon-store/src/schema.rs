//! The tables, one copy for all databases.

diesel::table! {
    streams (stream_no) {
        stream_no -> BigInt,
        stream_id -> Binary,
        origin -> Text,
        label -> Text,
        genesis_vkey -> Text,
        size -> BigInt,
        root -> Binary,
        frontier -> Binary,
        last_mac -> Binary,
        mac_epoch -> BigInt,
        sig_epoch -> BigInt,
        last_at -> BigInt,
        logged -> BigInt,
        closed -> Bool,
        k0_box -> Nullable<Binary>,
        stream_vkey -> Text,
        pruned_to -> BigInt,
        pruned_range -> Binary,
        pruned_mac -> Binary,
        pruned_epoch -> BigInt,
    }
}

diesel::table! {
    records (stream_no, seq) {
        stream_no -> BigInt,
        seq -> BigInt,
        ts -> BigInt,
        expires -> BigInt,
        level -> Integer,
        category -> Text,
        host -> Nullable<Text>,
        source_ip -> Nullable<Text>,
        user_name -> Nullable<Text>,
        action -> Nullable<Text>,
        outcome -> Nullable<Text>,
        body -> Binary,
        mac -> Binary,
    }
}

diesel::table! {
    tiles (stream_no, level, idx) {
        stream_no -> BigInt,
        level -> Integer,
        idx -> BigInt,
        hashes -> Binary,
    }
}

diesel::table! {
    checkpoints (stream_no, size) {
        stream_no -> BigInt,
        size -> BigInt,
        epoch -> BigInt,
        mac -> Binary,
        note -> Text,
        issued_at -> BigInt,
    }
}

diesel::table! {
    seals (stream_no, epoch) {
        stream_no -> BigInt,
        epoch -> BigInt,
        size -> BigInt,
        mac -> Binary,
    }
}

diesel::table! {
    hosts (stream_no, name) {
        stream_no -> BigInt,
        name -> Text,
        first_seen -> BigInt,
        last_seen -> BigInt,
        events -> BigInt,
    }
}

diesel::table! {
    signals (stream_no, no) {
        stream_no -> BigInt,
        no -> BigInt,
        log -> Binary,
    }
}

diesel::table! {
    uncounted (stream_no, no) {
        stream_no -> BigInt,
        no -> BigInt,
        at -> BigInt,
        log -> Binary,
    }
}

diesel::table! {
    search_blocks (stream_no, block) {
        stream_no -> BigInt,
        block -> BigInt,
        min_ts -> BigInt,
        max_ts -> BigInt,
        made -> BigInt,
        words -> Binary,
    }
}

diesel::table! {
    leases (name) {
        name -> Text,
        holder -> Text,
        epoch -> BigInt,
        expires -> BigInt,
        logged -> BigInt,
    }
}

diesel::table! {
    rule_states (stream_no, rule, part) {
        stream_no -> BigInt,
        rule -> Text,
        part -> Integer,
        settings -> Binary,
        logged -> BigInt,
        state -> Text,
    }
}

diesel::table! {
    detections (id) {
        id -> Binary,
        stream_no -> BigInt,
        seq -> BigInt,
        rule -> Text,
        title -> Text,
        level -> Integer,
        ts -> BigInt,
        grp -> Text,
        reason -> Nullable<Text>,
    }
}

diesel::table! {
    incidents (id) {
        id -> Text,
        open_key -> Nullable<Binary>,
        rule -> Text,
        title -> Text,
        level -> Integer,
        state -> Text,
        grp -> Text,
        stream_no -> BigInt,
        count -> BigInt,
        first_ts -> BigInt,
        last_ts -> BigInt,
        evidence -> Text,
        reason -> Nullable<Text>,
    }
}

diesel::table! {
    outbox (no) {
        no -> BigInt,
        incident -> Text,
        kind -> Text,
        at -> BigInt,
    }
}

diesel::table! {
    receipts (key, part) {
        key -> Binary,
        part -> Integer,
        body -> Binary,
        stream_no -> BigInt,
        first_seq -> BigInt,
        last_seq -> BigInt,
        at -> BigInt,
    }
}

diesel::table! {
    rollups (stream_no, hour, field, value) {
        stream_no -> BigInt,
        hour -> BigInt,
        field -> Text,
        value -> Text,
        count -> BigInt,
    }
}

diesel::table! {
    inputs (name) {
        name -> Text,
        fingerprint -> Binary,
        head -> BigInt,
        position -> BigInt,
        lines -> BigInt,
    }
}

diesel::table! {
    tokens (hash) {
        hash -> Binary,
        name -> Text,
        scope -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    sessions (hash) {
        hash -> Binary,
        name -> Text,
        scope -> Text,
        created_at -> BigInt,
        expires_at -> BigInt,
    }
}

diesel::table! {
    removals (stream_no, block, seq) {
        stream_no -> BigInt,
        block -> BigInt,
        seq -> BigInt,
    }
}

diesel::table! {
    expiring (day) {
        day -> BigInt,
        erasing -> Integer,
        holding -> Integer,
        pruning -> BigInt,
    }
}

diesel::table! {
    kept_proofs (stream_no, seq) {
        stream_no -> BigInt,
        seq -> BigInt,
        path -> Binary,
    }
}

diesel::table! {
    block_macs (stream_no, block) {
        stream_no -> BigInt,
        block -> BigInt,
        mac -> Binary,
    }
}

diesel::table! {
    anchors (stream_no, size, kind, place) {
        stream_no -> BigInt,
        size -> BigInt,
        kind -> Text,
        place -> Text,
        at -> BigInt,
        evidence -> Text,
    }
}

diesel::table! {
    witnessed (origin) {
        origin -> Text,
        size -> BigInt,
        root -> Binary,
        note -> Text,
        at -> BigInt,
    }
}

diesel::table! {
    holds (stream_no, held, seq) {
        stream_no -> BigInt,
        held -> BigInt,
        seq -> BigInt,
        day -> BigInt,
    }
}

diesel::table! {
    subjects (token) {
        token -> Binary,
        kind -> Text,
        ciphertext -> Binary,
        key_id -> BigInt,
    }
}

diesel::table! {
    erasable_values (stream_no, seq, field) {
        stream_no -> BigInt,
        seq -> BigInt,
        field -> Text,
        salt -> Binary,
        token -> Binary,
    }
}

diesel::table! {
    erasures (of_stream, stream_no, seq) {
        of_stream -> BigInt,
        stream_no -> BigInt,
        seq -> BigInt,
    }
}

diesel::allow_tables_to_appear_in_same_query!(erasable_values, subjects);
diesel::allow_tables_to_appear_in_same_query!(streams, records);
diesel::allow_tables_to_appear_in_same_query!(checkpoints, seals);
