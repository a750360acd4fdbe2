BEGIN TRANSACTION;
CREATE TABLE gpu_days (day TEXT, gpu INTEGER, run INTEGER, name, watched_seconds, energy_joules, held_seconds, told_seconds, used_seconds, idle_seconds, memory_seconds, memory_byte_seconds, memory_peak_bytes, PRIMARY KEY (day, gpu, run)) WITHOUT ROWID;
CREATE TABLE gpu_history (
        step INTEGER, at REAL, gpu INTEGER, utilization_percent, memory_used_bytes, temperature_celsius,
        power_watts, sm_percent, tensor_percent, graphics_mhz, memory_mhz, pcie_tx_kib_per_second,
        pcie_rx_kib_per_second, fan_percent, PRIMARY KEY (step, at, gpu)
    ) WITHOUT ROWID
    ;
CREATE TABLE gpus (id INTEGER PRIMARY KEY, uuid TEXT NOT NULL UNIQUE);
INSERT INTO "gpus" VALUES(1,'GPU-of-before');
CREATE TABLE host_history (
        step INTEGER, at REAL, cpu_percent, memory_used_bytes, PRIMARY KEY (step, at)
    ) WITHOUT ROWID
    ;
INSERT INTO "host_history" VALUES(3600,1757926800.0,12.5,1024);
CREATE TABLE idle (
        boot TEXT, gpu INTEGER, pid INTEGER, start_ticks INTEGER, first_seen_since_boot REAL,
        idle_seconds REAL, at REAL, PRIMARY KEY (gpu, pid)
    ) WITHOUT ROWID
    ;
CREATE TABLE names (uid INTEGER PRIMARY KEY, name TEXT, seen_at REAL);
INSERT INTO "names" VALUES(1000,'alice',1757926800.0);
CREATE TABLE seen (
        what TEXT, uuid TEXT, bus TEXT, most INTEGER, reached_at REAL, PRIMARY KEY (what, uuid, bus)
    ) WITHOUT ROWID
    ;
CREATE TABLE user_days (day TEXT, uid INTEGER, run INTEGER, held_seconds, told_seconds, used_seconds, idle_seconds, memory_seconds, memory_byte_seconds, memory_peak_bytes, PRIMARY KEY (day, uid, run)) WITHOUT ROWID;
CREATE TABLE xids (
        boot TEXT, gpu INTEGER, code INTEGER, times INTEGER, last_at REAL, last_since_boot REAL, source TEXT,
        blamed_pid INTEGER, blamed_name TEXT, blamed_user TEXT, was_reset INTEGER,
        PRIMARY KEY (boot, gpu, code)
    ) WITHOUT ROWID
    ;
COMMIT;
PRAGMA user_version = 1;
