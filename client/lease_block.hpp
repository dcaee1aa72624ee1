// Everything that is known of a lease or a bind failure, as "name: value" lines. Pure.
#pragma once

#include "client/fields.hpp"
#include "client/lease_table.hpp"
#include "proto/messages.hpp"

namespace portd::client {

Fields block_of(const LeaseForm &form, const proto::Lease &lease);
Fields block_of(const LeaseForm &form, const proto::BindFailure &failure);

} // namespace portd::client
