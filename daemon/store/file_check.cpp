#include "store/file_check.hpp"

#include "store/checksum.hpp"
#include "store/part_reader.hpp"

#include <exception>
#include <limits>
#include <utility>

namespace portd::store {
namespace {

constexpr std::size_t most_findings = 16;
constexpr std::int64_t rows_at_once = 1000;

class FileCheck {
  public:
    FileCheck(const std::filesystem::path &directory, const PartFile &file,
              const std::function<void(std::int64_t rows)> &on_rows, const std::atomic<bool> &stop)
        : directory_(directory), file_(file), on_rows_(on_rows), stop_(stop) {}

    CheckedFile run() {
        const auto path = path_of(directory_, file_);
        checked_.report.file = path.filename().string();
        checked_.report.sealed = file_.is_sealed;
        try {
            checked_.report.bytes = bytes_of(path);
            PartReader part(directory_, file_);
            part.database().stop_when(stop_);
            if (file_.is_sealed)
                if (const auto difference = difference_to_checksum(path, &stop_))
                    note(*difference);
            check_integrity(part);
            check_leases(part);
            check_bind_failures(part);
            read_record(part);
        } catch (const std::exception &fault) {
            note(fault.what());
        }
        return std::move(checked_);
    }

  private:
    void note(const std::string &finding) {
        if (checked_.report.findings.size() < most_findings)
            checked_.report.findings.push_back(finding);
    }

    void check_integrity(PartReader &part) {
        Execution row(part.statement("PRAGMA integrity_check(16)"));
        while (row.next())
            if (const std::string said = row.text(0); said != "ok")
                note(said);
        Execution orphan(part.statement("PRAGMA foreign_key_check"));
        while (orphan.next())
            note(orphan.text(0) + ": row " +
                 std::to_string(orphan.optional_integer(1).value_or(0)) + " refers to a row of " +
                 orphan.text(2) + " that is not there");
    }

    // Looks at every row of the table, some in each transaction. `look` throws for a row that no
    // portd wrote.
    template <typename Look>
    std::int64_t for_each_row(PartReader &part, const std::string &table, const Look &look) {
        const std::string next = "SELECT id FROM " + table + " WHERE id > ?1 ORDER BY id LIMIT ?2";
        std::int64_t reached = std::numeric_limits<std::int64_t>::min();
        std::int64_t count = 0;
        for (std::int64_t found = rows_at_once; found == rows_at_once && !stop_;) {
            part.begin();
            std::vector<std::int64_t> ids;
            {
                Execution row(part.statement(next));
                row.bind(reached).bind(rows_at_once);
                while (row.next())
                    ids.push_back(row.integer(0));
            }
            for (const std::int64_t id : ids)
                if (!stop_)
                    look_at(table, id, look);
            part.end();
            found = static_cast<std::int64_t>(ids.size());
            if (!ids.empty())
                reached = ids.back();
            count += found;
            on_rows_(rows_ += found);
        }
        return count;
    }

    template <typename Look>
    void look_at(const std::string &table, std::int64_t id, const Look &look) {
        try {
            if (const auto wrong = look(id))
                note(table + " " + std::to_string(id) + ": " + *wrong);
        } catch (const std::exception &fault) {
            note(fault.what());
        }
    }

    void check_leases(PartReader &part) {
        checked_.report.leases = for_each_row(part, "lease", [&part](std::int64_t id) {
            return contradiction_in(part.rows().lease(part.part().serial_of(id)).lease);
        });
    }

    void check_bind_failures(PartReader &part) {
        checked_.report.bind_failures =
            for_each_row(part, "bind_failure", [&part](std::int64_t id) {
                const auto stored = part.bind_failures().bind_failure(id);
                return stored.failure.local.port == 0
                           ? std::optional<std::string>("it is of port 0")
                           : std::nullopt;
            });
    }

    void read_record(PartReader &part) {
        part.begin();
        checked_.intervals = part.coverage(std::nullopt, std::numeric_limits<std::int64_t>::max());
        checked_.gaps = part.gaps(std::nullopt, std::numeric_limits<std::int64_t>::max());
        part.end();
    }

    const std::filesystem::path &directory_;
    const PartFile file_;
    const std::function<void(std::int64_t rows)> &on_rows_;
    const std::atomic<bool> &stop_;
    CheckedFile checked_;
    std::int64_t rows_ = 0;
};

bool is_turned_around(const model::When &when) {
    return when.earliest && when.latest && *when.earliest > *when.latest;
}

bool is_surely_before(const model::When &when, const model::When &other) {
    return when.latest && other.earliest && *when.latest < *other.earliest;
}

} // namespace

std::optional<std::string> contradiction_in(const model::Lease &lease) {
    if (lease.local.port == 0)
        return "it is of port 0";
    if (is_turned_around(lease.opened) || (lease.closed && is_turned_around(*lease.closed)) ||
        (lease.freed && is_turned_around(*lease.freed)))
        return "a time has its bounds turned around";
    if (lease.freed && is_surely_before(*lease.freed, lease.opened))
        return "it was freed before it was opened";
    if (lease.closed && is_surely_before(*lease.closed, lease.opened))
        return "it was closed before it was opened";
    if ((lease.phase == Phase::freed) != lease.freed.has_value())
        return "its phase and its times disagree";
    for (const model::Attribution *one : {&lease.opener, &lease.last_holder})
        if (one->holder && *one->holder >= lease.holders.size())
            return "it names a holder that it does not have";
    return std::nullopt;
}

CheckedFile check_file(const std::filesystem::path &directory, const PartFile &file,
                       const std::function<void(std::int64_t rows)> &on_rows,
                       const std::atomic<bool> &stop) {
    return FileCheck(directory, file, on_rows, stop).run();
}

} // namespace portd::store
