// A process as bytes, for the journal.
#pragma once

#include "capture/bytes.hpp"
#include "model/process.hpp"

namespace portd::capture {

void put_process(ByteWriter &writer, const model::Process &process);
// Throws TruncatedBytes.
model::Process get_process(ByteReader &reader);

// Fills in what follows from the control group: it is not among the bytes.
void name_group(model::Process &process);

} // namespace portd::capture
