(function_definition declarator: (_) @name body: (compound_statement) @body) @definition.function
(declaration declarator: (function_declarator) @name) @definition.function
(declaration declarator: (pointer_declarator (function_declarator)) @name) @definition.function
(struct_specifier name: (type_identifier) @name body: (_) @body) @definition.struct
(union_specifier name: (type_identifier) @name body: (_) @body) @definition.struct
(enum_specifier name: (type_identifier) @name body: (_) @body) @definition.enum
(enumerator name: (identifier) @name) @definition.constant
(field_declaration declarator: (_) @name) @definition.field
(type_definition declarator: (type_identifier) @name) @definition.type
(preproc_def name: (identifier) @name) @definition.macro
(preproc_function_def name: (identifier) @name) @definition.macro
(translation_unit (declaration declarator: (init_declarator declarator: (_) @name)) @definition.variable)

(comment) @comment

(preproc_include path: (_) @module) @import
