#include "store/upgrade.hpp"

#include "store/checksum.hpp"
#include "store/fault.hpp"
#include "store/packing.hpp"
#include "store/part_files.hpp"
#include "store/schema.hpp"
#include "store/set_aside.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace portd::store {
namespace {

// From one version to the next, in order: the last one leads to schema_version. What a step says is
// never changed once a portd was released that has it.
struct Step {
    std::int64_t from;
    const char *sql;
};

constexpr const char *six = R"sql(
ALTER TABLE flow ADD COLUMN port_chosen_by INTEGER;
DROP INDEX process_by_pid;
CREATE INDEX process_by_pid ON process(pid);
DROP VIEW history;
CREATE TABLE lease_6(
    id INTEGER PRIMARY KEY,
    flow INTEGER NOT NULL REFERENCES flow,
    ports INTEGER NOT NULL,
    peer_address INTEGER REFERENCES address,
    key_value INTEGER NOT NULL,
    state INTEGER NOT NULL,
    opened_by_us INTEGER NOT NULL,
    closed_us INTEGER,
    freed_us INTEGER,
    spreads ANY,
    bytes_sent INTEGER,
    bytes_received INTEGER,
    port INTEGER AS ((ports >> 16) + 32768) VIRTUAL,
    peer_port INTEGER AS (ports & 65535) VIRTUAL,
    first_observed_us INTEGER AS (CASE WHEN typeof(spreads) <> 'text' THEN 0
        WHEN json_valid(spreads) THEN spreads ->> 0 END) VIRTUAL,
    opened_spread_us INTEGER AS (CASE WHEN typeof(spreads) = 'text' AND json_valid(spreads)
        THEN spreads ->> 1 END) VIRTUAL,
    closed_spread_us INTEGER AS (CASE WHEN typeof(spreads) = 'text' AND json_valid(spreads)
        THEN spreads ->> 2 END) VIRTUAL,
    freed_spread_us INTEGER AS (CASE WHEN typeof(spreads) <> 'text' THEN spreads
        WHEN json_valid(spreads) THEN spreads ->> 3 END) VIRTUAL
) STRICT;
INSERT INTO lease_6 SELECT id, flow, (port - 32768) * 65536 + ifnull(peer_port, 0), peer_address,
    key_value, state, opened_by_us, closed_us, freed_us,
    CASE WHEN first_observed_us = 0 AND opened_spread_us IS NULL AND closed_spread_us IS NULL
        THEN freed_spread_us
        ELSE json_array(first_observed_us, opened_spread_us, closed_spread_us, freed_spread_us) END,
    bytes_sent, bytes_received FROM lease;
DROP TABLE lease;
ALTER TABLE lease_6 RENAME TO lease;
CREATE INDEX lease_long ON lease(state & 7) WHERE state & 7 > 2;
)sql";

constexpr std::array<Step, 1> steps{{
    {5, six},
}};
static_assert(steps.back().from + 1 == schema_version);

std::string fault_text(const std::string &reason) {
    return "cannot be carried over to this version of portd: " + reason +
           "; nothing is lost: start portd again once that is mended";
}

// Faults of what is done to the file, or to others for its sake.
template <typename Act>
void carry_over(const std::filesystem::path &file, Act act) {
    try {
        act();
    } catch (const DamagedStore &) {
        throw;
    } catch (const std::exception &fault) {
        throw FailedUpgrade(file, fault_text(fault.what()));
    }
}

// ---- Sealed parts

std::filesystem::path checksum_to_come(const std::filesystem::path &sealed) {
    return checksum_path(sealed).native() + ".new";
}

// Of a part that was put in its place, if this was cut off before its checksum was.
void complete_checksum(const std::filesystem::path &sealed) {
    const auto to_come = checksum_to_come(sealed);
    if (!std::filesystem::exists(to_come))
        return;
    if (matches_checksum(sealed, to_come))
        put_in_place(to_come, checksum_path(sealed));
    else
        std::filesystem::remove(to_come);
}

void upgrade_copy(const std::filesystem::path &sealed, const std::filesystem::path &copy,
                  const std::filesystem::path &packed) {
    std::filesystem::copy_file(sealed, copy);
    Database database(copy, Database::Access::write);
    database.execute("PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF");
    upgrade(database);
    pack_into(database, packed);
}

void upgrade_sealed(const std::filesystem::path &sealed) {
    if (const auto difference = difference_to_checksum(sealed))
        throw DamagedStore(sealed, *difference);
    const auto packed = unfinished_path(sealed);
    const std::filesystem::path copy = packed.native() + "-copy";
    const auto to_come = checksum_to_come(sealed);
    const auto remove_unfinished = [&] {
        remove_database(copy);
        remove_database(packed);
    };
    remove_unfinished();
    try {
        upgrade_copy(sealed, copy, packed);
        write_checksum(packed, sealed, to_come);
        put_in_place(packed, sealed);
    } catch (const DamagedStore &damage) {
        remove_unfinished();
        throw DamagedStore(sealed, damage.reason());
    } catch (...) {
        remove_unfinished(); // it may be what takes the last room
        std::filesystem::remove(to_come);
        throw;
    }
    remove_unfinished();
    put_in_place(to_come, checksum_path(sealed));
}

// ---- Parts

std::int64_t version_of(const std::filesystem::path &directory, const PartFile &part) {
    Database database(path_of(directory, part),
                      part.is_sealed ? Database::Access::sealed : Database::Access::write);
    database.on_close(Database::OnClose::leave);
    return check_ownership(database, Versions::can_be_upgraded);
}

// Not what cannot be read or is another's: whoever opens it copes with that.
bool is_to_be_upgraded(const std::filesystem::path &directory, const PartFile &part) {
    try {
        return can_be_upgraded(version_of(directory, part));
    } catch (const FullStore &full) {
        throw FailedUpgrade(full.file(), fault_text(full.reason()));
    } catch (const StoreFault &) {
        return false;
    }
}

void check_newest(const std::filesystem::path &directory, const PartFile &newest) {
    try {
        version_of(directory, newest);
    } catch (const ForeignStore &) {
        throw;
    } catch (const StoreFault &) {
        return;
    }
}

void upgrade_part(const std::filesystem::path &directory, const PartFile &part) {
    const auto path = path_of(directory, part);
    carry_over(path, [&] {
        if (part.is_sealed)
            return upgrade_sealed(path);
        Database database(path, Database::Access::write);
        database.on_close(Database::OnClose::leave);
        upgrade(database);
    });
}

} // namespace

bool can_be_upgraded(std::int64_t version) {
    return std::ranges::any_of(steps, [&](const Step &step) { return step.from == version; });
}

void upgrade(Database &database) {
    std::int64_t version = database.integer("PRAGMA user_version");
    if (!can_be_upgraded(version))
        return;
    carry_over(database.file(), [&] {
        database.verify(Database::Depth::quick);
        Transaction transaction(database, Transaction::Kind::write);
        for (const Step &step : steps) {
            if (step.from != version)
                continue;
            database.execute(step.sql);
            database.execute("PRAGMA user_version = " + std::to_string(++version));
        }
        create_schema(database); // the views
        transaction.commit();
    });
}

std::vector<Notice> upgrade_older_parts(const std::filesystem::path &directory,
                                        const TellUpgrade &tell) {
    std::vector<PartFile> parts = list_parts(directory);
    std::vector<Notice> notices;
    if (parts.empty())
        return notices;
    check_newest(directory, parts.back());
    for (const PartFile &part : parts)
        if (part.is_sealed)
            complete_checksum(path_of(directory, part));
    const PartFile newest = parts.back();
    std::erase_if(parts, [&](const PartFile &part) { return !is_to_be_upgraded(directory, part); });
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const auto path = path_of(directory, parts[i]);
        if (tell)
            tell({path, i + 1, parts.size()});
        if (parts[i] == newest && !newest.is_sealed)
            break;
        try {
            upgrade_part(directory, parts[i]);
        } catch (const DamagedStore &damage) {
            const SetAside aside = store::set_aside(path, damage.reason());
            notices.push_back({Notice::Kind::set_aside,
                               "a part of the history was damaged (" + aside.reason +
                                   "); it was set aside as " + aside.path.string(),
                               aside.path});
        }
    }
    return notices;
}

} // namespace portd::store
