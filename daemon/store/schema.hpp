// Private to the store: the tables. Rules for whoever changes them:
//
//  * Times are int64 microseconds of row time (store/boot.hpp): CLOCK_BOOTTIME plus
//    boot.base_offset_us. The table wall_clock turns them into wall time.
//  * Enumerations are stored as the numbers of proto/vocabulary.hpp. Their values are append-only:
//  a new
//    word gets the next number, and no number changes its meaning.
//  * Any change of a table or an index raises schema_version, and adds a step to the table in
//    upgrade.cpp that leads from the version before to it. Files of other versions are refused. The
//    views are made anew at every start.
#pragma once

#include "proto/vocabulary.hpp"

#include <cstdint>

namespace portd::store {

class Database;

constexpr std::int32_t application_id = 0x706f7274; // "port"
constexpr std::int32_t schema_version = 6;

// The last value of each stored enumeration: what a row may say, and how many words the view
// spells.
template <typename Enum>
inline constexpr Enum last_value{};
template <>
inline constexpr Protocol last_value<Protocol> = Protocol::udp;
template <>
inline constexpr Role last_value<Role> = Role::datagram;
template <>
inline constexpr PortChoice last_value<PortChoice> = PortChoice::explicit_;
template <>
inline constexpr PortChosenBy last_value<PortChosenBy> = PortChosenBy::send;
template <>
inline constexpr Phase last_value<Phase> = Phase::freed;
template <>
inline constexpr Outcome last_value<Outcome> = Outcome::abandoned;
template <>
inline constexpr Provenance last_value<Provenance> = Provenance::unknown;
template <>
inline constexpr CaptureTier last_value<CaptureTier> = CaptureTier::procfs;

// The version of the file, 0 of an empty one. Throws ForeignStore if it belongs to another
// application, or to a version of portd that is not admitted. Reads only.
enum class Versions { this_one, can_be_upgraded };
std::int64_t check_ownership(Database &database, Versions admitted = Versions::this_one);
// Makes the tables in an empty file, and the views in any. Inside the caller's transaction.
void create_schema(Database &database);

} // namespace portd::store
