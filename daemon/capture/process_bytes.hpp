// A process as bytes, for the journal.
#pragma once

#include "capture/bytes.hpp"
#include "model/process.hpp"

namespace portd::capture {

void put_process(ByteWriter &writer, const model::Process &process);
// What follows from the control group is not among the bytes. Throws TruncatedBytes.
model::Process get_process(ByteReader &reader);

} // namespace portd::capture
