#include "store/process_rows.hpp"

#include "store/row.hpp"

#include <memory>
#include <string>
#include <utility>

namespace portd::store {

ProcessRows::ProcessRows(Database &database)
    : database_(database),
      select_process_(
          database,
          "SELECT p.pid, p.start_us - b.base_offset_us, e.value, c.value, a.value, p.uid, p.gid, "
          "p.login_uid, g.value, u.value, s.value, k.value FROM process AS p JOIN boot AS b ON "
          "b.id = "
          "p.boot "
          "LEFT JOIN text AS e ON e.id = p.executable LEFT JOIN text AS c ON c.id = p.command "
          "LEFT JOIN text AS a ON a.id = p.arguments LEFT JOIN text AS g ON g.id = p.control_group "
          "LEFT JOIN text AS u ON u.id = p.unit LEFT JOIN text AS s ON s.id = p.slice LEFT JOIN "
          "text AS k ON k.id = p.container "
          "WHERE p.id = ?1"),
      select_ancestors_(database,
                        "SELECT a.pid, t.value FROM ancestor AS a LEFT JOIN text AS t ON t.id = "
                        "a.command WHERE a.process = ?1 ORDER BY a.ordinal"),
      select_boot_(database, "SELECT uuid, base_offset_us FROM boot WHERE id = ?1") {}

model::ProcessRef ProcessRows::process(std::int64_t id) {
    if (const auto known = processes_.find(id); known != processes_.end())
        return known->second;
    Execution execution(select_process_);
    const std::string name = "process " + std::to_string(id);
    if (!execution.bind(id).next())
        database_.damaged(name + " is missing");
    Row row(execution, database_, name);
    auto process = std::make_shared<model::Process>();
    process->key.pid = row.fitting<std::int32_t>();
    process->key.started_at = model::instant_from_us(row.integer());
    process->executable = row.optional_text();
    process->command = row.text();
    process->arguments = row.optional_text();
    process->uid = row.optional_fitting<std::uint32_t>();
    process->gid = row.optional_fitting<std::uint32_t>();
    process->login_uid = row.optional_fitting<std::uint32_t>();
    process->control_group = row.optional_text();
    process->unit = row.optional_text();
    process->slice = row.optional_text();
    process->container = row.optional_text();
    process->ancestors = ancestors(id);
    return processes_.emplace(id, std::move(process)).first->second;
}

std::vector<model::Ancestor> ProcessRows::ancestors(std::int64_t process) {
    std::vector<model::Ancestor> found;
    Execution execution(select_ancestors_);
    execution.bind(process);
    while (execution.next()) {
        Row row(execution, database_, "ancestors of process " + std::to_string(process));
        const auto pid = row.fitting<std::int32_t>();
        found.push_back({pid, row.text()});
    }
    return found;
}

const StoredBoot &ProcessRows::boot(std::int64_t id) {
    if (const auto known = boots_.find(id); known != boots_.end())
        return known->second;
    Execution row(select_boot_);
    if (!row.bind(id).next())
        database_.damaged("boot " + std::to_string(id) + " is missing");
    return boots_.emplace(id, StoredBoot{row.text(0), row.integer(1)}).first->second;
}

} // namespace portd::store
