#include "store/interning.hpp"

#include "store/row.hpp"

#include <vector>

namespace portd::store {
namespace {

constexpr std::size_t max_texts = 65'536;
constexpr std::size_t max_text_bytes = 8 << 20;
constexpr std::size_t max_processes = 8'192;
constexpr std::size_t max_addresses = 32'768;

} // namespace

Interning::Interning(Database &database, std::int64_t boot, std::int64_t base_offset_us)
    : database_(database),
      boot_(boot),
      base_offset_us_(base_offset_us),
      find_text_(database, "SELECT id FROM text WHERE value = ?1"),
      insert_text_(database, "INSERT INTO text(value) VALUES(?1)"),
      find_address_(database, "SELECT id FROM address WHERE value = ?1"),
      insert_address_(database, "INSERT INTO address(value) VALUES(?1)"),
      find_process_(database,
                    // Of a process that executes programs all the time, a row twice costs less than
                    // to compare it with all of them.
                    "SELECT id FROM process WHERE pid = ?1 AND start_us = ?2 AND boot = ?3 "
                    "ORDER BY id DESC LIMIT 16"),
      insert_process_(
          database, "INSERT INTO process(boot, pid, start_us, executable, command, arguments, uid, "
                    "gid, login_uid, control_group, unit, slice, container) "
                    "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"),
      insert_ancestor_(
          database, "INSERT INTO ancestor(process, ordinal, pid, command) VALUES(?1, ?2, ?3, ?4)"),
      rows_(database) {}

std::int64_t Interning::text(std::string_view value) {
    if (const auto known = texts_.find(value); known != texts_.end())
        return known->second;
    const std::int64_t id = find_or_insert_text(value);
    if (texts_.size() >= max_texts || text_bytes_ + value.size() > max_text_bytes) {
        texts_.clear();
        text_bytes_ = 0;
    }
    texts_.emplace(value, id);
    text_bytes_ += value.size();
    return id;
}

std::int64_t Interning::process(const model::ProcessRef &process) {
    if (const auto known = processes_.find(process.get()); known != processes_.end())
        return known->second.id;
    const std::int64_t id = find_or_insert_process(*process);
    if (processes_.size() >= max_processes)
        processes_.clear();
    processes_.emplace(process.get(), KnownProcess{process, id});
    return id;
}

std::int64_t Interning::address(const model::Address &address) {
    if (const auto known = addresses_.find(address); known != addresses_.end())
        return known->second;
    const std::int64_t id = find_or_insert_address(address);
    if (addresses_.size() >= max_addresses)
        addresses_.clear();
    addresses_.emplace(address, id);
    return id;
}

void Interning::forget() {
    addresses_.clear();
    texts_.clear();
    text_bytes_ = 0;
    processes_.clear();
    rows_.forget();
}

std::int64_t Interning::find_or_insert_text(std::string_view value) {
    if (Execution row(find_text_); row.bind(value).next())
        return row.integer(0);
    Execution(insert_text_).bind(value).run();
    return database_.last_insert_id();
}

std::int64_t Interning::find_or_insert_address(const model::Address &address) {
    if (Execution row(find_address_); row.bind(address_bytes(address)).next())
        return row.integer(0);
    Execution(insert_address_).bind(address_bytes(address)).run();
    return database_.last_insert_id();
}

std::int64_t Interning::find_or_insert_process(const model::Process &process) {
    std::vector<std::int64_t> candidates;
    {
        Execution row(find_process_);
        row.bind(process.key.pid).bind(to_us(process.key.started_at) + base_offset_us_).bind(boot_);
        while (row.next())
            candidates.push_back(row.integer(0));
    }
    for (const std::int64_t id : candidates) {
        const bool same = *rows_.process(id) == process;
        rows_.forget();
        if (same)
            return id;
    }
    return insert_process(process);
}

std::int64_t Interning::insert_process(const model::Process &process) {
    const auto executable = optional_text(process.executable);
    const auto arguments = optional_text(process.arguments);
    const auto control_group = optional_text(process.control_group);
    const auto unit = optional_text(process.unit);
    const auto slice = optional_text(process.slice);
    const auto container = optional_text(process.container);
    Execution(insert_process_)
        .bind(boot_)
        .bind(process.key.pid)
        .bind(to_us(process.key.started_at) + base_offset_us_)
        .bind(executable)
        .bind(text(process.command))
        .bind(arguments)
        .bind(process.uid)
        .bind(process.gid)
        .bind(process.login_uid)
        .bind(control_group)
        .bind(unit)
        .bind(slice)
        .bind(container)
        .run();
    const std::int64_t id = database_.last_insert_id();
    std::int64_t ordinal = 0;
    for (const model::Ancestor &ancestor : process.ancestors)
        Execution(insert_ancestor_)
            .bind(id)
            .bind(ordinal++)
            .bind(ancestor.pid)
            .bind(text(ancestor.command))
            .run();
    return id;
}

std::optional<std::int64_t> Interning::optional_text(const std::optional<std::string> &value) {
    if (!value)
        return std::nullopt;
    return text(*value);
}

} // namespace portd::store
