// Messages that an operator may want to select or be woken by. Each kind has a MESSAGE_ID of its
// own, by which the journal finds its explanation in systemd/portd.catalog, and a level:
//
//   critical  portd ends
//   error     something has to be done, or history is lost
//   warning   history has a gap, or soon will
//   info      all is well again, or as it should be
#pragma once

#include <functional>
#include <spdlog/common.h>
#include <string>
#include <vector>

namespace portd::system {

enum class Message {
    started,
    tier_chosen,
    lesser_tier, // since a better one does not work
    refused,
    reloaded,
    settings_refused,
    gap_opened,
    gap_closed,
    file_set_aside,
    store_failing,
    disk_full,
    pool_nearly_exhausted,
    self_check_failed,
};

struct MessageKind {
    const char *id; // 128 random bits, sd-id128(3)
    spdlog::level::level_enum level;
};
MessageKind kind_of(Message message);

struct MessageField {
    const char *name; // PORTD_ and capital letters
    std::string value;
};

// Logs the text; in the journal the fields are beside it.
void report(Message message, const std::string &text, const std::vector<MessageField> &fields = {});

// For those to whom it is a parameter where their words go.
using Report =
    std::function<void(Message, const std::string &text, const std::vector<MessageField> &fields)>;

} // namespace portd::system
