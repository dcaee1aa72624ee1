#include "proto/decoding.hpp"

#include <array>

namespace portd::proto {
namespace {

std::string expectation(ValueType::Kind kind) {
    static constexpr std::array<const char *, 6> reasons{
        "is not an integer",         "is not a boolean", "is not a string",
        "is not a word of its list", "is not an object", "is not an array"};
    return reasons.at(static_cast<std::size_t>(kind));
}

std::string range(Bounds bounds) {
    return "is not within " + std::to_string(bounds.low) + " to " + std::to_string(bounds.high);
}

bool is_integer(std::string_view number) {
    return number.find_first_of(".eE") == std::string_view::npos;
}

} // namespace

std::optional<Slot> Decoder::take_slot(Kind kind) {
    if (fault_ || passed_over_ > 0)
        return std::nullopt;
    std::optional<Slot> slot;
    if (frames_.empty()) {
        slot = root_;
    } else if (Frame &frame = frames_.back(); frame.type->kind == Kind::array) {
        slot = frame.type->new_element(frame.value);
        ++frame.elements;
    } else if (frame.member) {
        slot = frame.member->slot;
        frame.seen.set(frame.member->index);
    }
    // A word is a text, too.
    if (slot && slot->type->kind != kind &&
        !(slot->type->kind == Kind::word && kind == Kind::text)) {
        refuse(expectation(slot->type->kind));
        return std::nullopt;
    }
    return slot;
}

void Decoder::begin(Kind kind) {
    if (const auto slot = take_slot(kind))
        frames_.push_back({slot->type, slot->value_of(slot->field)});
    else
        ++passed_over_;
}

void Decoder::end() {
    if (passed_over_ > 0)
        --passed_over_;
    else
        frames_.pop_back();
}

void Decoder::begin_object() {
    begin(Kind::object);
}

void Decoder::key(std::string_view name) {
    if (fault_ || passed_over_ > 0)
        return;
    Frame &frame = frames_.back();
    // Most objects have their members in the order of the description.
    const std::size_t next = frame.member ? frame.member->index + 1 : 0;
    frame.member = frame.type->member(frame.value, name, next);
    if (!frame.member && next > 0)
        frame.member = frame.type->member(frame.value, name, 0);
    if (frame.member && frame.seen.test(frame.member->index))
        return refuse("stands there twice");
    if (!frame.member && unknown_ == Unknown::refused && frames_.size() == 1)
        fault_ = InvalidField{std::string(name), "is not a parameter of this method"};
}

void Decoder::end_object() {
    if (!fault_ && passed_over_ == 0) {
        Frame &frame = frames_.back();
        if (const auto name = frame.type->missing(frame.value, frame.seen)) {
            frame.member = Member{.name = *name, .index = 0, .slot = {}};
            refuse("is required");
        }
    }
    end();
}

void Decoder::begin_array() {
    begin(Kind::array);
}

void Decoder::end_array() {
    end();
}

void Decoder::text(std::string_view value) {
    const auto slot = take_slot(Kind::text);
    if (!slot)
        return;
    void *out = slot->value_of(slot->field);
    if (slot->type->kind == Kind::text)
        static_cast<std::string *>(out)->assign(value);
    else if (!slot->type->read_word(out, value))
        refuse(expectation(Kind::word));
}

void Decoder::integer(std::int64_t value) {
    const auto slot = take_slot(Kind::integer);
    if (!slot)
        return;
    if (value < slot->bounds.low || value > slot->bounds.high)
        return refuse(range(slot->bounds));
    *static_cast<std::int64_t *>(slot->value_of(slot->field)) = value;
}

void Decoder::other_number(std::string_view digits) {
    if (const auto slot = take_slot(Kind::integer))
        refuse(is_integer(digits) ? range(slot->bounds) : expectation(Kind::integer));
}

void Decoder::boolean(bool value) {
    if (const auto slot = take_slot(Kind::boolean))
        *static_cast<bool *>(slot->value_of(slot->field)) = value;
}

// The same as an absent value, but for elements.
void Decoder::null() {
    if (fault_ || passed_over_ > 0 ||
        (!frames_.empty() && frames_.back().type->kind == Kind::object))
        return;
    const Slot slot =
        frames_.empty() ? root_ : frames_.back().type->new_element(frames_.back().value);
    if (!frames_.empty())
        ++frames_.back().elements;
    refuse(expectation(slot.type->kind));
}

// "opener.ancestors[2].pid".
std::string Decoder::place() const {
    if (frames_.empty())
        return "parameters";
    std::string text;
    for (const Frame &frame : frames_) {
        if (frame.type->kind == Kind::array)
            text += "[" + std::to_string(frame.elements - 1) + "]";
        else if (frame.member)
            text.append(text.empty() ? "" : ".").append(frame.member->name);
    }
    return text;
}

void Decoder::refuse(const std::string &reason) {
    fault_ = InvalidField{place(), reason};
}

} // namespace portd::proto
